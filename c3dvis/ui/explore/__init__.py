"""The Explore page: one filter."""
