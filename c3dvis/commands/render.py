"""`c3dvis render`: one spec, from the store or made now, written to files."""

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from c3dvis import media
from c3dvis.commands.console import Say
from c3dvis.errors import C3dvisError, InvalidSpec, OutputFailed, ResultDamaged, StoreError
from c3dvis.files import write_whole
from c3dvis.maximize.schedule import Schedule
from c3dvis.media.formats import MAX_FPS, MIN_FPS
from c3dvis.networks import registry
from c3dvis.networks.weights import obtain
from c3dvis.results import RenderResult, ResultStore
from c3dvis.settings import cache_dir
from c3dvis.spec import FIELDS, MOTION_PRESETS, PRESETS, RenderSpec, parse_field

if TYPE_CHECKING:
    from c3dvis.maximize.progress import Progress

_WHOLE = {".h5": "the whole result", ".json": "the recipe"}
ENDINGS = (*(entry.extension for entry in media.FORMATS.values()), *_WHOLE)


class WrongArguments(C3dvisError):
    """The arguments cannot be carried out."""

    exit_code = 2


def run(arguments: argparse.Namespace, say: Say) -> int:
    """Renders what the flags say, unless it is stored, and writes it to every `-o`."""
    spec = spec_of(arguments)
    registry.describe(spec.network).check(spec)
    fps = fps_of(arguments.fps)
    outputs: list[Path] = arguments.output
    _check_outputs(outputs)
    if arguments.no_cache and not outputs:
        raise WrongArguments("Nothing would be kept: expected -o FILE, or no --no-cache.")

    store = None if arguments.no_cache else ResultStore(cache_dir())
    try:
        result = store.get(spec) if store else None
        stored = result is not None
        if result is None:
            result = _render(spec, say)
            if store:
                try:
                    store.put(result)
                except (StoreError, ResultDamaged) as error:
                    say.warning(str(error))
    finally:
        if store:
            store.close()

    if result.metrics.get("dead"):
        say.warning(
            f"{spec.title} could not be brought to respond at all: the picture shows where the search stood. "
            "Try a neighbouring filter, another seed or more --iterations."
        )
    files = []
    for path in outputs:
        write_whole(path, encoder(path, result, fps))
        files.append({"path": str(path), "format": _ending(path)[1:], "bytes": path.stat().st_size})
    provenance = result.provenance
    say.result(
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
        *(f"  {name.replace('_', ' ')}: {_number(value)}" for name, value in result.metrics.items()),
        *(f"{entry['path']}: {entry['bytes']:,} bytes" for entry in files),
    )
    return 0


def spec_of(arguments: argparse.Namespace) -> RenderSpec:
    """The spec that the flags describe: a recipe or the defaults, then presets, then single fields.

    Raises:
        InvalidSpec: a value cannot be used, or the recipe cannot be read.
    """
    spec = RenderSpec()
    if arguments.recipe is not None:
        spec = RenderSpec.from_json(_read_recipe(arguments.recipe))
    if arguments.preset:
        spec = spec.replace(**PRESETS[arguments.preset])
    changes: dict[str, Any] = dict(MOTION_PRESETS[arguments.motion]) if arguments.motion else {}
    for name in FIELDS:
        text = getattr(arguments, f"field_{name}", None)  # an atlas has no layer or filter of its own
        if text is not None:
            changes[name] = parse_field(name, text)
    return spec.replace(**changes)


def encoder(path: Path, result: RenderResult, fps: float) -> bytes:
    """The bytes of a result in the format that a file's ending names."""
    ending = _ending(path)
    if ending == ".h5":
        return result.to_bytes()
    if ending == ".json":
        return result.spec.to_json().encode() + b"\n"
    fmt = next(name for name, entry in media.FORMATS.items() if entry.extension == ending)
    about = {"title": result.spec.title, "spec": result.spec.to_dict()}
    return media.encode(result.clip, fmt, fps=fps, metadata=about)


def _number(value: float | int | bool | None) -> str:
    if value is None:
        return "not defined"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _render(spec: RenderSpec, say: Say) -> RenderResult:
    obtain.check(registry.describe(spec.network))  # says what is wrong before TensorFlow takes its time
    with say.progress("Rendering") as bar:
        bar.update(0, spec.iterations, "loading TensorFlow")
        say.tensorflow()
        from c3dvis.maximize.render import render

        schedule, detail = Schedule.of(spec, registry.describe(spec.network)), ""

        def report(progress: "Progress") -> None:
            nonlocal detail
            if progress.shown_activation is not None:  # not measured at every step
                detail = f"shown activation {progress.shown_activation:.3g}"
            work = schedule.cost(progress.step), schedule.cost(progress.steps)  # the small canvas is quick
            bar.update(progress.step, progress.steps, detail, work)

        return render(spec, on_progress=report)


def _read_recipe(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InvalidSpec(f"The recipe {name} cannot be read: {reason}.") from None


def fps_of(text: str) -> float:
    """The frame rate that `--fps` names.

    Raises:
        WrongArguments: it is none that files can have.
    """
    with suppress(ValueError):
        if MIN_FPS <= float(text) <= MAX_FPS:
            return float(text)
    raise WrongArguments(f"--fps must be a number from {MIN_FPS:g} to {MAX_FPS:g}; received {text!r}.")


def _check_outputs(outputs: list[Path]) -> None:
    """Finds out before any rendering whether the files can be written."""
    for path in outputs:
        if _ending(path) not in ENDINGS:
            raise WrongArguments(
                f"The ending of {path} names no format: expected one of {', '.join(ENDINGS)}; "
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
    if len({path.absolute() for path in outputs}) < len(outputs):
        raise WrongArguments("Two -o name the same file; expected each file once.")


def _ending(path: Path) -> str:
    return path.suffix.lower()
