"""The networks that users bring: descriptions of other programs, read as data, become networks of ours."""
