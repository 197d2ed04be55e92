"""Activation maximisation: objective × parametrisation × transforms × loop.

Does not depend on Streamlit, the store, the queue or files.
"""
