"""The windows of a folder of clips, and what a layer responds to each: for `probe_folder`.

The responses to each few windows are a file under `responses/` of the output folder, written whole. A run that was
killed at any moment finds them again, and goes on with what is missing.
"""

import hashlib
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from c3dvis.clips import ClipInfo, Window, describe_clip, read_windows
from c3dvis.commands.console import Console
from c3dvis.errors import ClipUnreadable
from c3dvis.files import write_whole
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.probe import ProbeRequest, Target
from c3dvis.queue import ProbeJob, RenderQueue
from c3dvis.results import ResultStore

_CHUNK = 8  # windows that are read by one process and kept in one file
_IN_FLIGHT = 4  # windows that wait in the queue: enough for the worker, few for the memory

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Chunk:
    """Some windows of one file.

    Attributes:
        name: of the file, below the folder.
        windows: of it.
        version: of the file: its size in bytes, and when it was changed.
    """

    name: str
    windows: tuple[Window, ...]
    version: tuple[int, int]


class LazyQueue:
    """A queue that starts with the first question: workers take time and memory."""

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        self._queue: RenderQueue | None = None

    def __enter__(self) -> "LazyQueue":
        return self

    def __exit__(self, *_: object) -> None:
        if self._queue:
            self._queue.close()

    def probe(self, request: ProbeRequest) -> ProbeJob:
        """Ask a worker."""
        if self._queue is None:
            self._queue = RenderQueue(self._store)
        return self._queue.probe(request)


@dataclass(frozen=True)
class LayerProbe:
    """A layer whose mean responses are asked for.

    Attributes:
        info: of its network.
        layer: its name.
        size: (frames, height, width) of a clip.
        queue: whose workers answer.
        fingerprint: of the network's weights.
    """

    info: NetworkInfo
    layer: str
    size: Size
    queue: LazyQueue
    fingerprint: str

    def of_folder(self, chunks: Sequence[Chunk], folder: Path, output: Path, console: Console) -> np.ndarray:
        """(windows, filters) float32 of all chunks of a folder, with progress."""
        total = sum(len(chunk.windows) for chunk in chunks)
        found = []
        with console.progress(f"Probing, {self.info.name}", unit="windows") as bar:
            for chunk in chunks:
                found.append(self._of_chunk(chunk, folder, output))
                bar.update(sum(map(len, found)), total)
        return np.concatenate(found)

    def of_clips(self, clips: Iterable[np.ndarray]) -> np.ndarray:
        """(clips, filters) float32; the next clips are read while a worker computes."""
        found, waiting = [], deque[ProbeJob]()
        for clip in clips:
            waiting.append(self.queue.probe(ProbeRequest(self.info.name, clip, "layer_means", Target(self.layer, 0))))
            if len(waiting) >= _IN_FLIGHT:
                found.append(waiting.popleft().result())
        return np.array(found + [job.result() for job in waiting], np.float32)

    def _of_chunk(self, chunk: Chunk, folder: Path, output: Path) -> np.ndarray:
        """(windows, filters) float32 of a chunk, from its file in the output folder or from the workers."""
        path = output / "responses" / f"{self._key(chunk)}.npy"
        try:
            found = np.load(path, allow_pickle=False)
            if found.ndim == 2 and len(found) == len(chunk.windows):
                return found
        except (OSError, ValueError, EOFError):  # not there yet, or damaged: it is computed
            pass
        clips = (each.clip for each in read_windows(folder / chunk.name, chunk.windows, self.size[1:]))
        found = self.of_clips(clips)
        buffer = io.BytesIO()
        np.save(buffer, found)
        write_whole(path, buffer.getvalue(), durable=False)
        return found

    def _key(self, chunk: Chunk) -> str:
        """Names the file of a chunk's responses: another for another clip, network, layer or window."""
        windows = [*map(asdict, chunk.windows)]
        described = [self.fingerprint, self.layer, self.size, chunk.name, *chunk.version, windows]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:32]


def plan_chunks(
    folder: Path, output: Path, length: int, stride: float, per_file: int, skipped: dict[str, str]
) -> Iterator[Chunk]:
    """The windows of all files, some at a time; files that cannot be read are put into `skipped`, with the reason."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or output.resolve() in path.resolve().parents:
            continue
        name = str(path.relative_to(folder))
        try:
            windows = plan_windows(describe_clip(path), length, stride, per_file)
        except ClipUnreadable as error:
            skipped[name] = str(error)
            continue
        stat = path.stat()
        for first in range(0, len(windows), _CHUNK):
            yield Chunk(name, tuple(windows[first : first + _CHUNK]), (stat.st_size, stat.st_mtime_ns))


def plan_windows(info: ClipInfo, length: int, stride: float, most: int) -> list[Window]:
    """Windows one after the other over a file, at most `most` spread evenly; a shorter file is looped in one."""
    apart = length * stride / info.frames_per_second
    covered = (length - 1) * stride / info.frames_per_second
    left = (info.seconds or 0.0) - 1 / info.frames_per_second - covered
    if left < 0:
        return [Window(0.0, stride, length, "loop")]
    count = min(most, int(left / apart + 1e-6) + 1)
    step = apart if count < most or count == 1 else left / (count - 1)
    return [Window(round(index * step, 4), stride, length, "loop") for index in range(count)]
