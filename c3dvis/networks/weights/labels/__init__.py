"""The names of the classes of the networks that come with the program."""
