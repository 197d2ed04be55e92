"""The Status page: devices, workers, queue, store, versions."""
