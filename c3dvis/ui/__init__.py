"""The dashboard: one folder per page, `shared` for what several pages use, `components` for the browser components.

It imports no TensorFlow: renders run in the worker processes of `c3dvis.queue`.
"""
