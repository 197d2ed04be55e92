"""`c3dvis cache info`, `verify` and `clear`: the store of results."""

import argparse
import shutil
from pathlib import Path

from c3dvis.commands.console import Say
from c3dvis.errors import ResultDamaged
from c3dvis.queue.outbox import Outbox
from c3dvis.results import ResultStore
from c3dvis.settings import cache_dir


def info(arguments: argparse.Namespace, say: Say) -> int:
    """Where the store is, how much it holds and how much it may."""
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
    say.result(
        values,
        f"{stats.path}: {stats.count} results, {_size(stats.bytes)} of at most {_size(stats.size_limit)}; "
        f"{_size(values['free'])} free on the disk.",
        f"{stats.starters} results come with c3dvis; {stats.damaged} damaged ones are set aside.",
    )
    return 0


def verify(arguments: argparse.Namespace, say: Say) -> int:
    """Reads every result; damaged ones are set aside, named, and fail the command."""
    with ResultStore(cache_dir()) as store:
        count = len(store.keys())
        damaged = store.verify()
    if not damaged:
        say.result({"checked": count, "damaged": []}, f"All {count} results are as they were stored.")
        return 0
    say.result({"checked": count, "damaged": damaged}, *damaged)
    say.error(
        f"{len(damaged)} stored results are damaged and were set aside; all others are kept. "
        "Render them again, or run `c3dvis cache clear` to remove everything."
    )
    return ResultDamaged.exit_code


def clear(arguments: argparse.Namespace, say: Say) -> int:
    """Removes every result; those that come with c3dvis stay."""
    with ResultStore(cache_dir()) as store:
        count = store.clear()
    Outbox().clear()
    folder = str(cache_dir().absolute())
    say.result({"removed": count, "path": folder}, f"Removed {count} results from {folder}.")
    return 0


def _nearest(path: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
