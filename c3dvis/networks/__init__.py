"""The networks whose filters can be visualised: as data, their weights files, their import and their computation."""
