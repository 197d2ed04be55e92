"""`c3dvis probe FOLDER --layer NAME`: of a folder of clips, the windows that excite each filter of a layer most."""

import argparse
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from c3dvis.clips import Window, read_windows
from c3dvis.commands.console import Console
from c3dvis.commands.probe_windows import LayerProbe, LazyQueue, plan_chunks
from c3dvis.commands.render import WrongArguments
from c3dvis.errors import ClipUnreadable, InvalidSpec, OutputFailed
from c3dvis.files import write_whole
from c3dvis.media.contact_sheet import contact_sheet
from c3dvis.networks import registry
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import installed_weights, obtain
from c3dvis.probe.likeness import judge
from c3dvis.probe.prediction import predict
from c3dvis.probe.resampling import LayerMeasure
from c3dvis.probe.values import class_layer
from c3dvis.results import RenderResult, ResultStore
from c3dvis.settings import cache_dir
from c3dvis.spec import RenderSpec

_SHEET_FILTERS = 12
_SHEET_WINDOWS = 9
_SHEET_NAME = 12  # letters
_SHEET_QUALITY = 70  # of a WebP


def run(arguments: argparse.Namespace, info: NetworkInfo, size: tuple[int, int, int], console: Console) -> int:
    """Probes the windows that were not probed before, and writes the top ones, the contact sheet and the measures."""
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
    judged_by = _judge(arguments.judge, info, size) if arguments.judge else None
    skipped: dict[str, str] = {}
    with ResultStore(cache_dir()) as store, LazyQueue(store) as queue:
        chunks = list(plan_chunks(arguments.path, output, size[0], arguments.stride, arguments.per_file, skipped))
        for name, reason in skipped.items():
            console.warning(f"{name} is left out: {reason}")
        if not chunks:
            raise ClipUnreadable(f"{arguments.path} has no clip that can be read.")

        def responses(info: NetworkInfo, layer: str, clips: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            """To the windows, and to some clips."""
            probe = LayerProbe(info, layer, size, queue, installed_weights.fingerprint(info))
            real = probe.of_folder(chunks, arguments.path, output, console)
            return real, probe.of_clips(clips)

        synthetic = _synthetic(store, info, arguments.layer, size)
        clips = [result.clip for result in synthetic.values()]
        real, of_synthetic = responses(info, arguments.layer, clips)
        judged = responses(*judged_by, clips) if judged_by else None
    windows = [(chunk.name, window) for chunk in chunks for window in chunk.windows]
    names = {name: index for index, name in enumerate(dict.fromkeys(name for name, _ in windows))}
    files = np.array([names[name] for name, _ in windows])
    measure = predict(real, of_synthetic, tuple(synthetic), files)
    values = {
        "network": info.name, "layer": arguments.layer, "size": list(size), "windows": len(windows),
        "files": len(names), "filters": real.shape[1], "synthetic_clips": len(synthetic), "left_out": skipped,
        "measure": _values("correlation", measure),
    }  # fmt: skip
    sentences = [_measure_sentence(measure)]
    if judged_by and judged:
        likeness = judge(real, *judged, tuple(synthetic), files, arguments.top)
        judge_info, layer = judged_by
        values["judge"] = {
            "network": judge_info.name,
            "layer": layer,
            "top": arguments.top,
            **_values("share", likeness),
        }
        sentences.append(_judge_sentence(likeness, judge_info, layer))
    written = {
        output / "top.csv": _top_csv(arguments.layer, real, windows, arguments.top),
        output / "sheet.webp": _sheet(arguments.path, real, windows, synthetic, size, arguments.top),
        output / "measure.json": json.dumps(values, indent=2).encode(),
    }
    for path, data in written.items():
        write_whole(path, data)
    console.result(
        {**values, "written": [str(path) for path in written]},
        f"{len(windows)} windows of {len(names)} files through {real.shape[1]} filters of {arguments.layer}.",
        *sentences,
        f"Written: {', '.join(map(str, written))}",
    )
    return 0


def _judge(name: str, judged: NetworkInfo, size: tuple[int, int, int]) -> tuple[NetworkInfo, str]:
    """Another network, and the last of its layers before its classes, whose responses are its features.

    Raises:
        UnknownNetwork, WeightsMissing: it cannot be used.
        WrongArguments: it is the network itself.
        InvalidSpec: it has no such layer for clips of this size.
    """
    info = registry.describe(name)
    if info.name == judged.name:
        raise WrongArguments(f"--judge takes another network than {info.name}, which the clips were made for.")
    obtain.check(info)
    layer = [layer for layer in info.layers if layer != class_layer(info)][-1:]
    if not layer:
        raise InvalidSpec(f"{info.name} cannot judge: its only layer is that of its classes.")
    info.output_shape(layer[0], *size)
    return info, layer[0]


def _synthetic(
    store: ResultStore, info: NetworkInfo, layer: str, size: tuple[int, int, int]
) -> dict[int, RenderResult]:
    """The stored results of the layer's filters, rendered with the default settings at this size."""
    found = {}
    for number in range(info.output_shape(layer, *size)[3]):
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


def _values(name: str, measure: LayerMeasure | str) -> dict[str, Any]:
    """What a file says of a measure, whose mean has a name of its own there."""
    if isinstance(measure, str):
        return {"why_none": measure}
    by_filter = {
        str(number): None if np.isnan(value) else float(value)
        for number, value in zip(measure.filters, measure.by_filter, strict=True)
    }
    return {
        name: measure.mean, "interval": [measure.low, measure.high], "by_filter": by_filter,
        "windows": measure.windows, "files": measure.files,
    }  # fmt: skip


def _measure_sentence(measure: LayerMeasure | str) -> str:
    if isinstance(measure, str):
        return measure
    return (
        f"The synthetic clips of {len(measure.filters)} filters predict the ranks of the windows with a correlation of "
        f"{measure.mean:.2f} (95 % interval {measure.low:.2f} to {measure.high:.2f}, {measure.windows} windows "
        f"of {measure.files} files); 0 is chance"
        + (", which the interval does not exclude." if measure.low <= 0 else ".")
    )


def _judge_sentence(likeness: LayerMeasure | str, info: NetworkInfo, layer: str) -> str:
    if isinstance(likeness, str):
        return likeness
    return (
        f"To {layer} of {info.name}, the synthetic clips look more like a top window of their filter than like a "
        f"bottom one in {likeness.mean:.0%} of the pairs (95 % interval {likeness.low:.0%} to {likeness.high:.0%}, "
        f"{len(likeness.filters)} filters); 50 % is chance"
        + (", which the interval does not exclude." if likeness.low <= 0.5 <= likeness.high else ".")
    )
