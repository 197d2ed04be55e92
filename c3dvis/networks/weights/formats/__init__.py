"""One reader for each file format of weights; a reader returns arrays by name and never runs code from the file."""
