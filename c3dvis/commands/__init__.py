"""What each `c3dvis` command does; each takes the parsed arguments and a `Say`, and returns an exit code."""
