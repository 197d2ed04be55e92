"""`c3dvis cache`: the store of results, its repair, its pinned results, and its transfer to another machine."""

import argparse
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from c3dvis.commands.console import Console
from c3dvis.commands.render import WrongArguments
from c3dvis.errors import ResultDamaged, WeightsMissing
from c3dvis.files import byte_size
from c3dvis.queue.outbox import Outbox
from c3dvis.results import ResultStore
from c3dvis.results.store import result_key
from c3dvis.results.transfer import export_results, import_results
from c3dvis.settings import cache_dir
from c3dvis.spec import RenderSpec

_KEY = re.compile(r"[0-9a-f]{64}")


def add_arguments(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """Adds the actions of `c3dvis cache`; `add` makes the parser of one, of its name and its help."""
    add("info", "Print the store's folder, size and number of results.").set_defaults(run=info)
    verifying = add("verify", "Read every stored result and list the damaged ones.")
    verifying.add_argument("--repair", action="store_true", help="render the damaged ones again")
    verifying.set_defaults(run=verify)
    pinning = add("pin", "Keep results for good: they are not deleted for room, nor by clear.")
    _add_selection(pinning)
    pinning.set_defaults(run=pin)
    unpinning = add("unpin", "Let results go again when room is needed.")
    _add_selection(unpinning)
    unpinning.set_defaults(run=unpin)
    exporting = add("export", "Write results to one file, for a store on another machine.")
    exporting.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.zip", help="file to write")
    exporting.add_argument("--pinned", action="store_true", help="only pinned results")
    _add_selection(exporting)
    exporting.set_defaults(run=export)
    importing = add("import", "Store the results of a file that export wrote.")
    importing.add_argument("file", type=Path, metavar="FILE.zip")
    importing.add_argument("--pin", action="store_true", help="pin them")
    importing.set_defaults(run=import_)
    add("clear", "Delete all results but pinned ones and those that come with c3dvis.").set_defaults(run=clear)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "which", nargs="*", metavar="LINK|KEY", help="results by the address of their page, or by key (default: all)"
    )
    parser.add_argument("--network", metavar="NAME", help="only results of this network")
    parser.add_argument("--layer", metavar="NAME", help="only results of this layer")


def info(arguments: argparse.Namespace, console: Console) -> int:
    """Prints where the store is, its size and its limit."""
    with ResultStore(cache_dir()) as store:
        stats = store.stats()
    existing = next(folder for folder in (stats.path, *stats.path.parents) if folder.exists())
    values = {
        "path": str(stats.path),
        "count": stats.count,
        "bytes": stats.bytes,
        "starters": stats.starters,
        "damaged": stats.damaged,
        "pinned": stats.pinned,
        "size_limit": stats.size_limit,
        "free": shutil.disk_usage(existing).free,
    }
    console.result(
        values,
        f"{stats.path}: {stats.count} results, {byte_size(stats.bytes)} of at most {byte_size(stats.size_limit)}; "
        f"{byte_size(values['free'])} free on the disk.",
        f"{stats.starters} results come with c3dvis; {stats.pinned} are pinned; {stats.damaged} damaged ones are set "
        "aside.",
    )
    return 0


def verify(arguments: argparse.Namespace, console: Console) -> int:
    """Reads every result; damaged ones are quarantined and printed, and the command fails unless it repaired them."""
    with ResultStore(cache_dir()) as store:
        count = len(store.keys())
        damaged = store.verify()
        repaired = _render_again(store, damaged, console) if arguments.repair and damaged else []
    left = [key for key in damaged if key not in repaired]
    values = {"checked": count, "damaged": left}
    if arguments.repair:
        values["repaired"] = repaired
    lines = [f"{key} was rendered again." for key in repaired]
    if not left:
        console.result(values, *(lines or [f"All {count} results are as they were stored."]))
        return 0
    console.result(values, *lines, *left)
    console.error(
        f"{len(left)} stored results are damaged and were set aside; all others are kept. "
        + (
            "`c3dvis cache clear` removes everything but pinned results."
            if arguments.repair
            else "`c3dvis cache verify --repair` renders them again."
        )
    )
    return ResultDamaged.exit_code


def _render_again(store: ResultStore, damaged: list[str], console: Console) -> list[str]:
    """Renders damaged results again and returns their keys; warns of those whose render fails or cannot start."""
    from c3dvis.queue import RenderQueue

    specs = {key: spec for key, spec in store.specs(damaged).items() if _is_key_of(spec, key)}
    if unknown := len(damaged) - len(specs):
        console.warning(
            f"{unknown} damaged results cannot be rendered again here: their settings were lost with them, they come "
            "with c3dvis, or another version or other weights made them."
        )
    if not specs:
        return []
    repaired = []
    with console.silenced_logs(), console.progress("Rendering again", unit="results") as bar:
        queue = RenderQueue(store)
        try:
            for key, job in [(key, queue.submit(spec, background=True)) for key, spec in specs.items()]:
                bar.update(len(repaired), len(specs), job.spec.title)
                job.wait()
                if job.state == "done":
                    repaired.append(key)
                else:
                    console.warning(f"{job.spec.title} was not rendered again: {job.snapshot().error}")
        finally:
            queue.close()
    return sorted(repaired)


def _is_key_of(spec: RenderSpec, key: str) -> bool:
    try:
        return result_key(spec) == key
    except WeightsMissing:
        return False


def pin(arguments: argparse.Namespace, console: Console) -> int:
    """Pins the selected results."""
    with ResultStore(cache_dir()) as store:
        keys = _selected(arguments, store)
        store.pin(keys)
    console.result({"pinned": keys}, f"{len(keys)} results are pinned.")
    return 0


def unpin(arguments: argparse.Namespace, console: Console) -> int:
    """Removes the pins of the selected results."""
    with ResultStore(cache_dir()) as store:
        keys = [key for key in _selected(arguments, store) if key in store.pinned()]
        store.unpin(keys)
    console.result({"unpinned": keys}, f"{len(keys)} results are no longer pinned.")
    return 0


def export(arguments: argparse.Namespace, console: Console) -> int:
    """Writes the selected results to one file."""
    with ResultStore(cache_dir()) as store:
        pinned = store.pinned()
        keys = [key for key in _selected(arguments, store) if key in pinned or not arguments.pinned]
        if not keys:
            raise WrongArguments("Nothing would be exported: no stored result is selected.")
        with console.progress("Exporting", unit="results") as bar:
            written = export_results(store, keys, arguments.output, lambda done, total: bar.update(done, total, ""))
    if len(written) < len(keys):
        console.warning(f"{len(keys) - len(written)} results are damaged and were left out.")
    size = arguments.output.stat().st_size
    console.result(
        {"exported": written, "path": str(arguments.output), "bytes": size},
        f"{arguments.output}: {len(written)} results, {byte_size(size)}.",
    )
    return 0


def import_(arguments: argparse.Namespace, console: Console) -> int:
    """Stores the results of a file; the command fails if some of it could not be used."""
    with ResultStore(cache_dir()) as store, console.progress("Importing", unit="results") as bar:
        outcome = import_results(
            store, arguments.file, lambda done, total: bar.update(done, total, ""), pin=arguments.pin
        )
    for name, reason in outcome.refused.items():
        console.warning(f"{name} was not imported. {reason}")
    console.result(
        {"stored": outcome.stored, "present": outcome.present, "refused": outcome.refused},
        f"{len(outcome.stored)} results were stored; {len(outcome.present)} were there already; "
        f"{len(outcome.refused)} could not be used.",
    )
    return ResultDamaged.exit_code if outcome.refused else 0


def clear(arguments: argparse.Namespace, console: Console) -> int:
    """Deletes every result except pinned ones and those that come with c3dvis."""
    with ResultStore(cache_dir()) as store:
        count = store.clear()
        kept = store.stats().pinned
    Outbox().clear()
    folder = str(cache_dir().absolute())
    console.result(
        {"removed": count, "pinned": kept, "path": folder},
        f"Removed {count} results from {folder}." + (f" {kept} pinned ones stay." if kept else ""),
    )
    return 0


def _selected(arguments: argparse.Namespace, store: ResultStore) -> list[str]:
    """Keys of the stored results that the arguments name, without the starters, sorted.

    Raises:
        WrongArguments: a link or key is none, or no result is stored under it.
    """
    stored = set(store.own_keys())
    keys = {_key(text) for text in arguments.which} or stored
    if missing := sorted(keys - stored):
        raise WrongArguments(f"No result is stored under {', '.join(missing)}. Render it first.")
    if arguments.network or arguments.layer:
        specs = store.specs(sorted(keys))
        if len(specs) < len(keys):  # stored by an earlier version
            store.verify()
            specs = store.specs(sorted(keys))
        keys = {
            key
            for key, spec in specs.items()
            if arguments.network in (None, spec.network) and arguments.layer in (None, spec.layer)
        }
    return sorted(keys)


def _key(text: str) -> str:
    if _KEY.fullmatch(text):
        return text
    query = dict(parse_qsl(urlsplit(text).query))
    spec, problems = RenderSpec.from_query(query)
    if not query or problems:
        reason = " ".join(problems) or f"Received: {text[:100]!r}."
        raise WrongArguments(f"Expected the address of a result's page, or a key of 64 hex digits. {reason}")
    return result_key(spec)
