"""The Gallery page: all filters of a layer as moving thumbnails."""
