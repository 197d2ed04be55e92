"""How long each frame stays, in the whole units that a format counts in."""

from itertools import pairwise


def delays(num_frames: int, fps: float, per_second: int) -> list[int]:
    """Delay of each frame in units of 1 / `per_second` s.

    The moments at which frames change are rounded, not the delays, so a clip of any length takes its time to
    within one unit: 30 frames a second, in GIF's hundredths, are 3, 4, 3, 3, 4 …
    """
    moments = [round(index * per_second / fps) for index in range(num_frames + 1)]
    return [after - before for before, after in pairwise(moments)]
