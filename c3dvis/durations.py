"""Numbers in words, alike on the page and on the command line."""


def duration(seconds: float) -> str:
    """Seconds in words short enough for a progress line."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
