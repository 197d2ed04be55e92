"""The Explore page: one filter, with the controls that set its spec."""
