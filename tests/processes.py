"""How tests start processes and wait for them: for an event, never for a time."""

import signal

PATIENCE = 600.0
"""Seconds after which a test that waits for an event fails, however busy the machine is."""
PATIENCE_MS = 300_000.0
"""The same for what a browser shows, in milliseconds."""


def hear_ctrl_c() -> None:
    """Lets a process be interrupted (`preexec_fn` of `subprocess.Popen`).

    A shell starts a command in the background with SIGINT ignored; pytest inherits that, and so does what it starts.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
