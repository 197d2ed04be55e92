"""The Network page: layer table, weights, settings."""
