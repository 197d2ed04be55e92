"""Real clips: what a file holds, and windows of it as a network takes them.

`describe_clip`, `film_strip` and `read_window` answer in a process of its own with limited memory and time, since the
libraries that decode such files are written in C and a file may be damaged. Nothing of a file is kept.

The modules: `clip_info` has the values, `reading` the functions, `sandbox` is the process, `video` reads what FFmpeg
decodes, `still` what Pillow opens, `volume` NumPy, NIfTI and DICOM, and `fitting` brings frames to a network's size.
"""

from c3dvis.clips.clip_info import ClipInfo, ClipWindow, Window
from c3dvis.clips.reading import describe_clip, film_strip, read_window, read_windows

__all__ = ["ClipInfo", "ClipWindow", "Window", "describe_clip", "film_strip", "read_window", "read_windows"]
