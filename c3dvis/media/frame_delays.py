"""The delay of each frame, in the integer units of a file format."""

from itertools import pairwise


def delays(num_frames: int, fps: float, per_second: int) -> list[int]:
    """Delay of each frame in units of 1 / `per_second` s.

    The times at which frames change are rounded, not the delays, so the duration of a clip of any length is exact to
    one unit: 30 frames a second, in GIF's hundredths of a second, are 3, 4, 3, 3, 4 …
    """
    times = [round(index * per_second / fps) for index in range(num_frames + 1)]
    return [after - before for before, after in pairwise(times)]
