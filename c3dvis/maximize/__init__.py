"""How a volume is found that excites a filter: objective × parametrisation × transforms × loop.

Knows nothing of Streamlit, the store, the queue or files.
"""
