"""`c3dvis probe FOLDER --layer NAME`: of a folder of clips, the windows that excite each filter of a layer most.

The responses to each few windows are a file under `responses/` of the output folder, written whole. A run that was
killed at any moment finds them again, and goes on with what is missing.
"""

import argparse
import csv
import hashlib
import io
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.clips import ClipInfo, Window, describe_clip, read_windows
from c3dvis.commands.console import Console
from c3dvis.commands.render import WrongArguments
from c3dvis.errors import ClipUnreadable, OutputFailed
from c3dvis.files import write_whole
from c3dvis.media.contact_sheet import contact_sheet
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import installed_weights
from c3dvis.probe import ProbeRequest, Target
from c3dvis.probe.prediction import Prediction, predict
from c3dvis.queue import ProbeJob, RenderQueue
from c3dvis.results import RenderResult, ResultStore
from c3dvis.settings import cache_dir
from c3dvis.spec import RenderSpec

_CHUNK = 8  # windows that are read by one process and kept in one file
_IN_FLIGHT = 4  # windows that wait in the queue: enough for the worker, few for the memory
_SHEET_FILTERS = 12
_SHEET_WINDOWS = 9
_SHEET_NAME = 12  # letters
_SHEET_QUALITY = 70  # of a WebP


@dataclass(frozen=True)
class _Chunk:
    """Some windows of one file.

    Attributes:
        name: of the file, below the folder.
        windows: of it.
        key: names the file of their responses: another for another clip, network, layer or window.
    """

    name: str
    windows: tuple[Window, ...]
    key: str


def run(arguments: argparse.Namespace, info: NetworkInfo, size: tuple[int, int, int], console: Console) -> int:
    """Probes every window that was not probed before, and writes the top windows, the contact sheet and the measure."""
    if len(arguments.output) != 1:
        raise WrongArguments("A folder of clips needs one -o FOLDER for what is found.")
    output: Path = arguments.output[0]
    info.output_shape(arguments.layer, *size)
    if not 1 <= arguments.per_file <= 10_000:
        raise WrongArguments(f"--per-file must be from 1 to 10000; received {arguments.per_file}.")
    try:
        (output / "responses").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"{output} cannot be made: {error.strerror or error}.") from None
    fingerprint = installed_weights.fingerprint(info)
    skipped: dict[str, str] = {}
    with ResultStore(cache_dir()) as store, _LazyQueue(store) as queue:
        chunks = list(_plan(arguments, fingerprint, size, output, skipped))
        for name, reason in skipped.items():
            console.warning(f"{name} is left out: {reason}")
        total = sum(len(chunk.windows) for chunk in chunks)
        if not total:
            raise ClipUnreadable(f"{arguments.path} has no clip that can be read.")
        with console.progress("Probing", unit="windows") as bar:
            done = 0
            responses = []
            for chunk in chunks:
                responses.append(_responses(chunk, arguments, info, size, output, queue))
                done += len(chunk.windows)
                bar.update(done, total)
        real = np.concatenate(responses)
        synthetic = _synthetic(store, info, arguments.layer, size, real.shape[1])
        of_synthetic = _probe_all(queue, info, arguments.layer, [result.clip for result in synthetic.values()])
    windows = [(chunk.name, window) for chunk in chunks for window in chunk.windows]
    names = {name: index for index, name in enumerate(dict.fromkeys(name for name, _ in windows))}
    files = np.array([names[name] for name, _ in windows])
    measure = predict(real, np.array(of_synthetic), tuple(synthetic), files)
    write_whole(output / "top.csv", _top_csv(arguments.layer, real, windows, arguments.top))
    write_whole(output / "sheet.webp", _sheet(arguments.path, real, windows, synthetic, size, arguments.top))
    values = {
        "network": info.name, "layer": arguments.layer, "size": list(size), "windows": total, "files": len(names),
        "filters": real.shape[1], "synthetic_clips": len(synthetic), "left_out": skipped,
        "measure": _measure_values(measure),
    }  # fmt: skip
    write_whole(output / "measure.json", json.dumps(values, indent=2).encode())
    console.result(
        {**values, "written": [str(output / name) for name in ("top.csv", "sheet.webp", "measure.json")]},
        f"{total} windows of {len(names)} files through {real.shape[1]} filters of {arguments.layer}.",
        _measure_sentence(measure),
        f"Written: {output / 'top.csv'}, {output / 'sheet.webp'}, {output / 'measure.json'}",
    )
    return 0


class _LazyQueue:
    """A queue that starts with the first question: workers take time and memory."""

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        self._queue: RenderQueue | None = None

    def __enter__(self) -> "_LazyQueue":
        return self

    def __exit__(self, *_: object) -> None:
        if self._queue:
            self._queue.close()

    def probe(self, request: ProbeRequest) -> ProbeJob:
        """Ask a worker."""
        if self._queue is None:
            self._queue = RenderQueue(self._store)
        return self._queue.probe(request)


def _plan(
    arguments: argparse.Namespace,
    fingerprint: str,
    size: tuple[int, int, int],
    output: Path,
    skipped: dict[str, str],
) -> Iterator[_Chunk]:
    """The windows of all files, some at a time; files that cannot be read are put into `skipped`, with the reason."""
    folder: Path = arguments.path
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or output.resolve() in path.resolve().parents:
            continue
        name = str(path.relative_to(folder))
        try:
            windows = plan_windows(describe_clip(path), size[0], arguments.stride, arguments.per_file)
        except ClipUnreadable as error:
            skipped[name] = str(error)
            continue
        stat = path.stat()
        for first in range(0, len(windows), _CHUNK):
            some = tuple(windows[first : first + _CHUNK])
            described = [fingerprint, arguments.layer, size, name, stat.st_size, stat.st_mtime_ns, [*map(asdict, some)]]
            yield _Chunk(name, some, hashlib.sha256(json.dumps(described).encode()).hexdigest()[:32])


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


def _responses(
    chunk: _Chunk,
    arguments: argparse.Namespace,
    info: NetworkInfo,
    size: tuple[int, int, int],
    output: Path,
    queue: _LazyQueue,
) -> np.ndarray:
    """(windows, filters) float32 of a chunk, from its file or from the workers."""
    path = output / "responses" / f"{chunk.key}.npy"
    try:
        found = np.load(path, allow_pickle=False)
        if found.ndim == 2 and len(found) == len(chunk.windows):
            return found
    except (OSError, ValueError, EOFError):  # not there yet, or damaged: it is computed
        pass
    clips = (each.clip for each in read_windows(arguments.path / chunk.name, chunk.windows, size[1:]))
    found = np.array(_probe_all(queue, info, arguments.layer, clips), np.float32)
    buffer = io.BytesIO()
    np.save(buffer, found)
    write_whole(path, buffer.getvalue(), durable=False)
    return found


def _probe_all(queue: _LazyQueue, info: NetworkInfo, layer: str, clips: Any) -> list[np.ndarray]:
    """The mean responses (filters,) to each clip; the next are read while the worker computes."""
    found, waiting = [], deque[ProbeJob]()
    for clip in clips:
        waiting.append(queue.probe(ProbeRequest(info.name, clip, "layer_means", Target(layer, 0))))
        if len(waiting) >= _IN_FLIGHT:
            found.append(waiting.popleft().result())
    return found + [job.result() for job in waiting]


def _synthetic(
    store: ResultStore, info: NetworkInfo, layer: str, size: tuple[int, int, int], filters: int
) -> dict[int, RenderResult]:
    """The stored results of the layer's filters, rendered with the default settings at this size."""
    found = {}
    for number in range(filters):
        spec = RenderSpec(
            network=info.name, layer=layer, filter=number, frames=size[0], height=size[1], width=size[2]
        )  # fmt: skip
        result = store.get(spec)
        if result is not None and not result.metrics.get("dead"):
            found[number] = result
    return found


def _top(responses: np.ndarray, count: int) -> list[int]:
    """The windows with the highest response above 0, the highest first."""
    order = np.argsort(-responses, kind="stable")[:count]
    return [int(index) for index in order if responses[index] > 0]


def _top_csv(layer: str, real: np.ndarray, windows: Sequence[tuple[str, Window]], count: int) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("layer", "filter", "rank", "file", "start_seconds", "mean_response", "mean_over_windows"))
    for number in range(real.shape[1]):
        for rank, index in enumerate(_top(real[:, number], count)):
            name, window = windows[index]
            average = f"{real[:, number].mean():.6g}"
            row = (layer, number, rank + 1, name, window.start_seconds, f"{real[index, number]:.6g}", average)
            writer.writerow(row)
    return text.getvalue().encode()


def _sheet(
    folder: Path,
    real: np.ndarray,
    windows: Sequence[tuple[str, Window]],
    synthetic: dict[int, RenderResult],
    size: tuple[int, int, int],
    top: int,
) -> bytes:
    """A row for each of some filters: its synthetic clip, then its top windows; the middle frame of each."""
    spread = (real.max(0) - real.mean(0)) / (real.std(0) + 1e-12)
    numbers = sorted(range(real.shape[1]), key=lambda n: (n not in synthetic, -spread[n]))[:_SHEET_FILTERS]
    columns = min(top, _SHEET_WINDOWS, len(windows))
    rows = {number: _top(real[:, number], columns) for number in sorted(numbers)}
    middle = {}
    by_file: dict[str, list[int]] = {}
    for index in sorted({index for row in rows.values() for index in row}):
        by_file.setdefault(windows[index][0], []).append(index)
    for name, indices in by_file.items():
        found = read_windows(folder / name, [windows[index][1] for index in indices], size[1:])
        for index, each in zip(indices, found, strict=True):
            shown = each.clip[len(each.clip) // 2]
            middle[index] = shown if shown.shape[-1] == 3 else np.repeat(shown[..., :1], 3, -1)
    empty = np.full((1, size[1], size[2], 3), 235, np.uint8)
    clips, names = [], []
    for number, row in rows.items():
        clips.append(synthetic[number].clip if number in synthetic else empty)
        names.append(f"filter {number}" if number in synthetic else f"filter {number}: not rendered")
        for index in row:
            clips.append(middle[index][np.newaxis])
            names.append(f"{_short(Path(windows[index][0]).stem)} {windows[index][1].start_seconds:.1f} s")
        clips.extend([empty] * (columns - len(row)))
        names.extend([""] * (columns - len(row)))
    return contact_sheet(clips, names, columns + 1, _SHEET_QUALITY)


def _short(name: str) -> str:
    """A name that fits below a picture."""
    return name if len(name) <= _SHEET_NAME else f"{name[: _SHEET_NAME - 1]}…"


def _measure_values(measure: Prediction | str) -> dict[str, Any]:
    if isinstance(measure, str):
        return {"why_none": measure}
    by_filter = {
        str(number): None if np.isnan(value) else float(value)
        for number, value in zip(measure.filters, measure.by_filter, strict=True)
    }
    return {
        "correlation": measure.correlation, "interval": [measure.low, measure.high], "by_filter": by_filter,
        "windows": measure.windows, "files": measure.files,
    }  # fmt: skip


def _measure_sentence(measure: Prediction | str) -> str:
    if isinstance(measure, str):
        return measure
    return (
        f"The synthetic clips of {len(measure.filters)} filters predict the ranks of the windows with a correlation of "
        f"{measure.correlation:.2f} (95 % interval {measure.low:.2f} to {measure.high:.2f}, {measure.windows} windows "
        f"of {measure.files} files); 0 is chance."
    )
