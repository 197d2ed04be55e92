"""Activation maximisation: the optimisation of a volume that raises the response of a filter.

Does not depend on Streamlit, the store of results or the queue.
"""
