"""Many filters of a network, rendered through the queue, and a static site of the results.

In the order of use: `plan` chooses the specs, `rendering` renders them into the store, `site` writes the files of each
filter, `pages` makes the HTML pages, and `api` does all of this in one call.

Independent of Streamlit and of how a clip is computed.
"""
