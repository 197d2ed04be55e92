"""`c3dvis cache info`, `verify` and `clear`: the store of results."""

import argparse
import shutil
from pathlib import Path

from c3dvis.commands.console import Console
from c3dvis.errors import ResultDamaged
from c3dvis.queue.outbox import Outbox
from c3dvis.results import ResultStore
from c3dvis.settings import cache_dir


def info(arguments: argparse.Namespace, console: Console) -> int:
    """Prints where the store is, its size and its limit."""
    with ResultStore(cache_dir()) as store:
        stats = store.stats()
    values = {
        "path": str(stats.path),
        "count": stats.count,
        "bytes": stats.bytes,
        "starters": stats.starters,
        "damaged": stats.damaged,
        "size_limit": stats.size_limit,
        "free": shutil.disk_usage(_nearest(stats.path)).free,
    }
    console.result(
        values,
        f"{stats.path}: {stats.count} results, {_size(stats.bytes)} of at most {_size(stats.size_limit)}; "
        f"{_size(values['free'])} free on the disk.",
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


def _nearest(path: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
