"""Reads videos and animations with FFmpeg, through PyAV.

imageio's plugin of PyAV reads frames in their order. It neither seeks by time nor tells a frame's time, which windows
of long files and of files with a variable rate need, so PyAV is called itself. A file cannot make FFmpeg open another:
it reads from a stream without a name, every protocol is off, and so are the formats that are lists of other files.
"""

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import av
import numpy as np
from av.error import FFmpegError

from c3dvis.clips.clip_info import ClipInfo
from c3dvis.clips.fitting import fit
from c3dvis.errors import ClipUnreadable

_LISTS = frozenset(
    {"concat", "concatf", "dash", "hls", "image2", "image2pipe", "imf", "lavfi", "rtp", "rtp_mpegts", "rtsp", "sap"}
    | {"sdp", "tty", "webm_dash_manifest"}
)
"""Formats that name other files or streams, and text drawn as video."""

MAX_PIXELS = 36_000_000
"""Of a frame; 8K has 33 million."""

_ATTACHED_PICTURE = 0x400  # FFmpeg's AV_DISPOSITION_ATTACHED_PIC
_JUMP = 10.0  # seconds; over a longer gap seeking is worth it
_STEPS_BACK = (0.0, 2.0, 10.0)  # seconds: a file may lead to a frame after the one asked for
_SCANNED_PACKETS = 200_000
_STRIP_PIXELS = 300e6  # decoded for a film strip, at most


class Video:
    """A file that FFmpeg decodes; to be used as a context manager.

    Raises:
        ClipUnreadable: FFmpeg cannot read it, or it has no video.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()
        self._file = self._stack.enter_context(path.open("rb"))
        self._container: Any = None
        self._open()
        self._first = self._first_frame()
        self._wrong_times = False  # seen in the file; frames then have the times of their packets

    def _open(self) -> None:
        """Open the file at its start."""
        if self._container:
            self._container.close()
        self._file.seek(0)
        allowed = ",".join(sorted(set(av.formats_available) - _LISTS))
        options = {"protocol_whitelist": "none", "format_whitelist": allowed}
        name = self._path.name
        try:
            self._container = self._stack.enter_context(av.open(_Unnamed(self._file), options=options))
        except (FFmpegError, UnicodeDecodeError) as error:
            raise self._unreadable(error) from None
        streams = [s for s in self._container.streams.video if not int(s.disposition) & _ATTACHED_PICTURE]
        if not streams:
            raise ClipUnreadable(
                f"{name} has no video stream: expected a video, received {self._container.format.long_name} with "
                f"{_streams(self._container)}."
            )
        self._stream = streams[0]
        context = self._stream.codec_context
        if context is None:
            raise ClipUnreadable(f"{name} has a video stream of a kind that FFmpeg does not decode here.")
        if context.width * context.height > MAX_PIXELS:
            raise ClipUnreadable(
                f"{name} has frames of {context.width} × {context.height}: expected at most 8K (33 million pixels). "
                "Make it smaller."
            )
        context.thread_count = 2
        aspect = self._stream.sample_aspect_ratio
        self._aspect = float(aspect) if aspect and 0.1 < aspect < 10 else 1.0
        self.format: str = self._container.format.name

    def __enter__(self) -> "Video":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def is_still(self) -> bool:
        """Whether the file is one picture: Pillow reads it."""
        return self.format.endswith("_pipe")

    @property
    def rate(self) -> float:
        """Nominal frames per second."""
        rate = self._stream.average_rate or self._stream.guessed_rate or self._stream.base_rate
        return float(rate) if rate and 0 < rate < 1000 else 25.0

    def describe(self) -> ClipInfo:
        """What the file holds."""
        first, notes = self._first, []
        height, width = _shown_size(first, self._aspect)
        bits = max((component.bits for component in first.format.components), default=8)
        if turn := round(first.rotation) % 360:
            notes.append(f"The file says that its frames are turned by {turn} degrees; they are shown upright.")
        if self._aspect != 1:
            notes.append(f"Its pixels are not square; they are shown {width} × {height}.")
        if self._stream.codec_context.color_trc in (16, 18):
            notes.append("It is HDR: its brightness is read without tone mapping, so it looks flat.")
        if bits > 8:
            notes.append(f"It has {bits} bits per channel; it is read with 8.")
        if _has_alpha(first):
            notes.append("Transparent parts are read as black.")
        seconds = self._seconds()
        count = self._stream.frames or (round(seconds * self.rate) if seconds else None)
        is_grey = first.format.name.startswith("gray")
        channels = 1 if is_grey else 4 if _has_alpha(first) else 3
        return ClipInfo("video", self.rate, seconds, count, width, height, channels, tuple(notes))

    def frames(self, times: Iterable[float]) -> Iterator[tuple[float, np.ndarray]]:
        """The frame shown at each time, and its own time; ends early where the file does.

        Args:
            times: seconds from the first frame, ascending.

        Yields:
            (seconds, (H, W, 3) uint8 RGB) upright with square pixels.
        """
        slack = 0.25 / self.rate  # a container rounds times
        shown: _Timed | None = None
        following: _Timed | None = None
        decoded: Iterator[_Timed] = iter(())
        pixels: np.ndarray | None = None
        may_seek = True
        for time in times:
            before = shown
            if before is None or (may_seek and time - before.seconds > _JUMP):
                shown, decoded = self._seek(time, slack)
                following = next(decoded, None)
                # a file with few frames to start from leads back to the same one each time
                may_seek = before is None or (shown is not None and shown.seconds > before.seconds)
            while following is not None and following.seconds <= time + slack:
                shown, following = following, next(decoded, None)
            if shown is None:
                return
            if following is None and time > shown.seconds + max(1 / self.rate, _duration(shown.frame)) - slack:
                return  # the file ends before
            if pixels is None or before is None or before.seconds != shown.seconds:
                pixels = _pixels(shown.frame, self._aspect)
            yield shown.seconds, pixels

    def strip(self, count: int) -> Iterator[tuple[float, np.ndarray]]:
        """Frames for a film strip: `count` times evenly over the file, at or before each what costs little to decode.

        Yields:
            As `frames`.
        """
        seconds = self._seconds() or 0.0
        times = [seconds * (index + 0.5) / count for index in range(count)]
        affordable = int(_STRIP_PIXELS / (self._first.height * self._first.width))
        if seconds * self.rate <= affordable:
            yield from self.frames(times)
            return
        most = max(1, affordable // count)
        for time in times:
            shown, decoded = self._seek(time, 0.25 / self.rate)
            for following in itertools.islice(decoded, most):
                if following.seconds > time:
                    break
                shown = following
            if shown is not None:
                yield shown.seconds, _pixels(shown.frame, self._aspect)

    @staticmethod
    def fit(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """A frame at a network's size."""
        return fit(frame, size)

    def _first_frame(self) -> Any:
        try:
            for frame in self._container.decode(self._stream):
                return frame
        except FFmpegError as error:
            raise self._unreadable(error) from None
        raise ClipUnreadable(f"{self._path.name} has a video stream without a frame. Take a file that plays.")

    def _seek(self, time: float, slack: float) -> "tuple[_Timed | None, Iterator[_Timed]]":
        """The frame from which decoding leads to a time, and those after it; None if there is none."""
        base = float(self._stream.time_base or 1)
        for back in _STEPS_BACK:
            target = time - back + self._seconds_of(self._first.pts)
            try:
                self._container.seek(round(target / base), stream=self._stream, backward=True)
            except FFmpegError:  # a format without an index
                break
            decoded = self._decoded()
            first = next(decoded, None)
            if first is not None and first.frame.pts is not None and first.seconds <= time + slack:
                return first, decoded
            if time <= back:
                break
        self._open()  # from its start, which is always right
        decoded = self._decoded()
        return next(decoded, None), decoded

    def _decoded(self) -> "Iterator[_Timed]":
        """Frames from where the file stands; damaged ones are left out, and a file that breaks off ends there."""
        last: _Timed | None = None  # is given with the next one, which shows whether its time is right
        try:
            for frame in self._container.decode(self._stream):
                following = self._timed(frame, last)
                if last and following.seconds < last.seconds and not self._wrong_times:
                    # Some encoders give a frame the time at which it is decoded, not shown.
                    self._wrong_times = self._first.dts is not None
                    last = self._timed(last.frame, None)
                    following = self._timed(frame, last)
                if last and not last.frame.is_corrupt:
                    yield last
                last = following
        except FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
        if last and not last.frame.is_corrupt:
            yield last

    def _timed(self, frame: Any, before: "_Timed | None") -> "_Timed":
        """A frame and its time; of one without a time, that of the frame before and one step."""
        first, own = (self._first.dts, frame.dts) if self._wrong_times else (self._first.pts, frame.pts)
        if own is None:
            return _Timed(before.seconds + 1 / self.rate if before else 0.0, frame)
        return _Timed(self._seconds_of(own) - self._seconds_of(first), frame)

    def _seconds(self) -> float | None:
        """Duration: what the file says, else the time of its last packet, if it has not too many."""
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        if self._container.duration:
            return self._container.duration / av.time_base
        last = None
        with contextlib.suppress(FFmpegError):
            self._container.seek(0)
            for index, packet in enumerate(self._container.demux(self._stream)):
                if index > _SCANNED_PACKETS:
                    return None
                if packet.pts is not None:
                    last = max(last or 0.0, float((packet.pts + (packet.duration or 0)) * packet.time_base))
        return None if last is None else last - self._seconds_of(self._first.pts)

    def _seconds_of(self, stamp: int | None) -> float:
        """A time of the stream in seconds; 0 where there is none."""
        return float((stamp or 0) * (self._first.time_base or 0))

    def _unreadable(self, error: Exception) -> ClipUnreadable:
        reason = getattr(error, "strerror", None) or str(error)
        return ClipUnreadable(
            f"FFmpeg cannot read {self._path.name} as a video ({reason}): it may be another kind of file, or cut off. "
            "Take a file that plays."
        )


class _Timed(NamedTuple):
    """A frame and its time from the first."""

    seconds: float
    frame: Any


class _Unnamed:
    """A file without its name, by which FFmpeg would guess a format."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _streams(container: Any) -> str:
    kinds = sorted({stream.type for stream in container.streams})
    return f"streams of {', '.join(kinds)}" if kinds else "no stream"


def _shown_size(frame: Any, aspect: float) -> tuple[int, int]:
    """(height, width) upright, with square pixels; `aspect` is the width of a pixel by its height."""
    height, width = frame.height, max(1, round(frame.width * aspect))
    return (width, height) if round(frame.rotation / 90) % 2 else (height, width)


def _has_alpha(frame: Any) -> bool:
    return frame.format.has_palette or any(component.is_alpha for component in frame.format.components)


def _duration(frame: Any) -> float:
    return float((frame.duration or 0) * frame.time_base) if frame.time_base else 0.0


def _pixels(frame: Any, aspect: float) -> np.ndarray:
    """(H, W, 3) uint8 RGB, upright, with square pixels, transparency over black."""
    width = max(1, round(frame.width * aspect))
    if _has_alpha(frame):
        rgba = frame.to_ndarray(format="rgba", width=width, height=frame.height).astype(np.uint16)
        pixels = ((rgba[..., :3] * rgba[..., 3:] + 127) // 255).astype(np.uint8)
    else:
        pixels = frame.to_ndarray(format="rgb24", width=width, height=frame.height)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
