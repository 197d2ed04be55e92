"""The Gallery page: the filters of a layer side by side."""
