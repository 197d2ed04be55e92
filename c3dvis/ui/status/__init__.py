"""The Status page: workers, queue, store, versions."""
