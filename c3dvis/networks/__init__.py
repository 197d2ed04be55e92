"""The networks that can be looked into: described, read from weights files, imported and computed."""
