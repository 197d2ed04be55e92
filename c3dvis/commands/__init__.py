"""The `c3dvis` commands: functions of the parsed arguments and a `Console` that return an exit code."""
