"""Whole networks: many filters rendered through the queue, and a static site of what came out.

In the order of use: `plan` says which specs, `fill` renders them into the store, `site` writes the files of each,
`pages` the HTML around them, `whole` does all of it in one call.

Knows nothing of Streamlit, nor of how a render is done.
"""
