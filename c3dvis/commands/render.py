"""`c3dvis render`: one spec, from the store or rendered now, written to files."""

import argparse
import os
import re
import sys
from collections.abc import Collection
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from c3dvis.clips import Window, read_window
from c3dvis.commands.console import Console
from c3dvis.errors import C3dvisError, InvalidSpec, OutputFailed, ResultDamaged, StoreError
from c3dvis.files import write_whole
from c3dvis.maximize.schedule import Schedule
from c3dvis.media.figure import FIGURE_FORMATS
from c3dvis.media.formats import MAX_FPS, MIN_FPS
from c3dvis.networks import classes, registry
from c3dvis.networks.weights import obtain
from c3dvis.results import RenderResult, ResultStore
from c3dvis.results.figure import FigureContent, draw_figure
from c3dvis.results.file_formats import FORMATS, encode_result
from c3dvis.results.interpretation import TITLES, dead_filter
from c3dvis.settings import cache_dir
from c3dvis.spec import FIELDS, MOTION_PRESETS, PRESETS, RenderSpec, parse_field
from c3dvis.spec.clip_digest import clip_digest

if TYPE_CHECKING:
    from c3dvis.maximize.progress import Progress

ENDINGS = {entry.extension: name for name, entry in FORMATS.items()}
"""The format of each file name ending."""

_FIGURE_ENDINGS = tuple(f".{fmt}" for fmt in FIGURE_FORMATS)


class WrongArguments(C3dvisError):
    """The arguments contradict each other or name files that cannot be written."""

    exit_code = 2


def run(arguments: argparse.Namespace, console: Console) -> int:
    """Renders the spec of the flags, unless its result is stored, and writes the result to every `-o`."""
    spec, start_clip = _with_start_clip(registry.sized(spec_of(arguments)), arguments)
    info = registry.describe(spec.network)
    info.check(spec)
    if arguments.texture_motion:
        info.check_texture_motion()
    fps = fps_of(arguments.fps)
    outputs: list[Path] = arguments.output
    figures: list[Path] = arguments.figure
    _check_outputs(outputs, ENDINGS)
    _check_outputs(figures, _FIGURE_ENDINGS)
    _check_different([*outputs, *figures])
    content = _figure_content(arguments, spec)
    if arguments.no_cache and not outputs and not figures:
        raise WrongArguments("Nothing would be kept: expected -o FILE or --figure FILE, or no --no-cache.")

    with nullcontext() if arguments.no_cache else ResultStore(cache_dir()) as store:
        result = store.get(spec) if store else None
        stored = result is not None
        if result is None:
            result, *variants = _render(spec, console, start_clip)
            if store:
                for one in (result, *variants):
                    _keep(store, one, console, start_clip)
        if arguments.texture_motion and result.texture_motion is None and not result.metrics.get("dead"):
            result = _take_apart(result, console)
            if store:
                _keep(store, result, console)
    if result.metrics.get("dead"):
        console.warning(
            f"{dead_filter(spec.title)} The picture shows where the search ended. "
            "Try a neighbouring filter, another seed or more --iterations."
        )
    files = []
    for path in outputs:
        write_whole(path, encode_result(result, ENDINGS[_ending(path)], fps=fps))
        files.append({"path": str(path), "format": _ending(path)[1:], "bytes": path.stat().st_size})
    for path in figures:
        write_whole(path, draw_figure([result], content, _ending(path)[1:]))
        files.append({"path": str(path), "format": f"figure {_ending(path)[1:]}", "bytes": path.stat().st_size})
    provenance = result.provenance
    console.result(
        {
            "title": spec.title,
            "key": result.key,
            "from_store": stored,
            "spec": spec.to_dict(),
            "metrics": result.metrics,
            "history": result.history,
            "provenance": provenance,
            "files": files,
        },
        spec.title,
        "taken from the store" if stored else f"rendered in {provenance['seconds']:.1f} s, {provenance['device']}",
        *(
            f"  {TITLES.get(name, name.replace('_', ' ')).lower()}: {_number(value)}"
            for name, value in result.metrics.items()
        ),
        *(f"{entry['path']}: {entry['bytes']:,} bytes" for entry in files),
    )
    return 0


def spec_of(arguments: argparse.Namespace) -> RenderSpec:
    """The spec of the flags: a recipe or the defaults, changed by presets, then by single fields.

    Raises:
        InvalidSpec: a value cannot be used, or the recipe cannot be read.
    """
    spec = RenderSpec()
    if arguments.recipe is not None:
        spec = RenderSpec.from_json(_read_recipe(arguments.recipe))
    if arguments.preset:
        spec = spec.replace(**PRESETS[arguments.preset])
    changes: dict[str, Any] = dict(MOTION_PRESETS[arguments.motion]) if arguments.motion else {}
    class_name: str | None = getattr(arguments, "class_name", None)
    if class_name is not None:
        info = registry.describe(arguments.field_network or spec.network)
        changes |= classes.class_fields(info, classes.find_class(info, class_name))
    for name in FIELDS:
        text = getattr(arguments, f"field_{name}", None)  # an atlas has no flags for layer and filter
        if text is not None and not (name == "start_clip" and _is_file(text)):
            changes[name] = parse_field(name, text)
    return spec.replace(**changes)


def _is_file(start_clip: str) -> bool:
    """Whether `--start-clip` names a file; otherwise it is a content hash, or empty."""
    return bool(start_clip) and not re.fullmatch("[0-9a-f]{64}", start_clip)


def _with_start_clip(spec: RenderSpec, arguments: argparse.Namespace) -> tuple[RenderSpec, np.ndarray | None]:
    """The spec with its start clip, and the clip (T, H, W, 3) uint8; None where it starts from noise.

    Raises:
        ClipUnreadable, ClipTooShort: the file of `--start-clip` cannot be used.
        InvalidSpec: there is no clip of that content hash on this machine.
    """
    text = arguments.field_start_clip
    if text is not None and _is_file(text):
        clip = read_window(text, Window(length=spec.frames), (spec.height, spec.width)).clip
        strength = arguments.field_start_strength
        changes = {} if strength is None else {"start_strength": parse_field("start_strength", strength)}
        return spec.replace(start_clip=clip_digest(clip), **changes), clip
    if not spec.start_clip:
        return spec, None
    with ResultStore(cache_dir()) as store:
        found = store.start_clips.get(spec.start_clip)
        if found is None and store.get(spec) is None:
            raise InvalidSpec(
                f"The clip to start from is not on this machine: expected the one whose content hash is "
                f"{spec.start_clip}. Give its file: --start-clip FILE."
            )
    return spec, found


def _number(value: float | int | bool | None) -> str:
    if value is None:
        return "not defined"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _render(spec: RenderSpec, console: Console, start_clip: np.ndarray | None) -> list[RenderResult]:
    """The result, and after it those of the spec's other variants."""
    obtain.check(registry.describe(spec.network))  # fails before TensorFlow is loaded, which takes a while
    with console.progress("Rendering") as bar:
        bar.update(0, spec.iterations, "loading TensorFlow")
        console.load_tensorflow()
        from c3dvis.maximize.render import render_with_variants

        schedule, detail = Schedule.of(spec, registry.describe(spec.network)), ""

        def report(progress: "Progress") -> None:
            nonlocal detail
            if progress.shown_activation is not None:  # it is not measured at every step
                detail = f"shown activation {progress.shown_activation:.3g}"
            work = schedule.cost(progress.step), schedule.cost(progress.steps)  # steps on the small canvas are faster
            bar.update(progress.step, progress.steps, detail, work=work)

        return render_with_variants(spec, on_progress=report, start_clip=start_clip)


def _take_apart(result: RenderResult, console: Console) -> RenderResult:
    with console.progress("Taking texture and motion apart") as bar:
        console.load_tensorflow()
        from c3dvis.maximize.texture_motion.take_apart import take_apart

        return take_apart(result, on_progress=lambda progress: bar.update(progress.step, progress.steps, ""))


def _keep(
    store: ResultStore, result: RenderResult, console: Console, start_clip: np.ndarray | None = None
) -> None:  # fmt: skip
    try:
        store.put(result)
        if start_clip is not None:
            store.start_clips.put(start_clip)
    except (StoreError, ResultDamaged) as error:
        console.warning(str(error))


def _read_recipe(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidSpec(f"The recipe {name} cannot be read: {reason}.") from None


def fps_of(text: str) -> float:
    """The frame rate of `--fps`.

    Raises:
        WrongArguments: it is not a number, or out of range.
    """
    with suppress(ValueError):
        if MIN_FPS <= float(text) <= MAX_FPS:
            return float(text)
    raise WrongArguments(f"--fps must be a number from {MIN_FPS:g} to {MAX_FPS:g}; received {text!r}.")


def _figure_content(arguments: argparse.Namespace, spec: RenderSpec) -> FigureContent:
    """What the flags want on a figure."""
    usual = FigureContent.usual(spec.size)
    frames, places = usual.frames, (usual.row, usual.column)
    if arguments.figure_frames is not None:
        frames = tuple(number - 1 for number in _whole_numbers("--figure-frames", arguments.figure_frames))
    if arguments.figure_slices is not None:
        numbers = _whole_numbers("--figure-slices", arguments.figure_slices)
        if len(numbers) not in (0, 2):
            raise WrongArguments(f"--figure-slices is Y,X or none; received {arguments.figure_slices!r}.")
        places = (numbers[0], numbers[1]) if numbers else (None, None)
    content = FigureContent(frames, *places, arguments.figure_scale)
    content.check(spec)
    return content


def _whole_numbers(flag: str, text: str) -> tuple[int, ...]:
    if text == "none":
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise WrongArguments(
            f"{flag} takes whole numbers divided by commas, or none; received {text[:60]!r}."
        ) from None


def _check_different(paths: list[Path]) -> None:
    if len({path.absolute() for path in paths}) < len(paths):
        raise WrongArguments("Two of -o and --figure name the same file; expected each file once.")


def _check_outputs(outputs: list[Path], endings: Collection[str]) -> None:
    """Checks before the render that the files can be written."""
    for path in outputs:
        if _ending(path) not in endings:
            raise WrongArguments(
                f"The ending of {path} names no format: expected one of {', '.join(endings)}; "
                f"received {_ending(path)!r}."
            )
        if path.is_dir():
            raise WrongArguments(f"{path} is a folder; expected the name of a file.")
        if not path.parent.is_dir():
            raise WrongArguments(
                f"The folder of {path} does not exist: expected {path.parent.absolute()}. Make it first."
            )
        if not os.access(path.parent, os.W_OK):
            raise OutputFailed(f"{path} cannot be written: {path.parent.absolute()} is read-only.")


def _ending(path: Path) -> str:
    return path.suffix.lower()
