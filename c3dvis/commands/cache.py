"""`c3dvis cache info`, `verify` and `clear`: the store of results."""

import argparse
import shutil

from c3dvis.commands.console import Console
from c3dvis.errors import ResultDamaged
from c3dvis.files import byte_size
from c3dvis.queue.outbox import Outbox
from c3dvis.results import ResultStore
from c3dvis.settings import cache_dir


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
        "size_limit": stats.size_limit,
        "free": shutil.disk_usage(existing).free,
    }
    console.result(
        values,
        f"{stats.path}: {stats.count} results, {byte_size(stats.bytes)} of at most {byte_size(stats.size_limit)}; "
        f"{byte_size(values['free'])} free on the disk.",
        f"{stats.starters} results come with c3dvis; {stats.damaged} damaged ones are set aside.",
    )
    return 0


def verify(arguments: argparse.Namespace, console: Console) -> int:
    """Reads every result; damaged ones are quarantined and printed, and the command fails."""
    with ResultStore(cache_dir()) as store:
        count = len(store.keys())
        damaged = store.verify()
    if not damaged:
        console.result({"checked": count, "damaged": []}, f"All {count} results are as they were stored.")
        return 0
    console.result({"checked": count, "damaged": damaged}, *damaged)
    console.error(
        f"{len(damaged)} stored results are damaged and were set aside; all others are kept. "
        "Render them again, or run `c3dvis cache clear` to remove everything."
    )
    return ResultDamaged.exit_code


def clear(arguments: argparse.Namespace, console: Console) -> int:
    """Deletes every result except those that come with c3dvis."""
    with ResultStore(cache_dir()) as store:
        count = store.clear()
    Outbox().clear()
    folder = str(cache_dir().absolute())
    console.result({"removed": count, "path": folder}, f"Removed {count} results from {folder}.")
    return 0
