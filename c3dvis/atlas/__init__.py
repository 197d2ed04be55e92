"""Many filters of a network, rendered through the queue, and a static site of the results.

In the order of use: `plan` chooses the specs, `rendering` renders them into the store, `site` writes the files of each
filter, `pages` the HTML around them, and `api` does all of it in one call.

Independent of Streamlit and of how a render is done.
"""
