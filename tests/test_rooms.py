"""The rooms of docs/architecture.md import each other in one direction, as its table allows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ANYWHERE = {"errors", "settings", "files", "durations"}
"""Modules that every room may import: they import nothing but each other."""
HEAVY = {
    "tensorflow": ("networks.compute", "networks.proof", "maximize", "probe"),
    "streamlit": ("ui", "access"),
    "distributed": ("queue",),
}
"""Libraries, and the only rooms that may import them, at the top of a module or later."""


def table() -> dict[str, set[str]]:
    """Each room of the page's table, and the rooms that it may import."""
    rows = re.findall(r"^\| `c3dvis/([a-z0-9_/]+?)/?(?:\.py)?` \|.*\|([^|]*)\|$", PAGE, re.MULTILINE)
    return {name.replace("/", "."): set(re.findall(r"`([a-z0-9_.]+)`", allowed)) for name, allowed in rows}


ROOMS = table()


def modules() -> dict[str, Path]:
    """Every module of the package by its name below `c3dvis`."""
    paths = {path.relative_to(ROOT / "c3dvis").with_suffix(""): path for path in (ROOT / "c3dvis").rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in paths.items()}


MODULES = modules()


def room_of(module: str) -> str:
    """The innermost room that a module stands in."""
    parts = module.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in ROOMS), module)


def imported(path: Path) -> Iterator[str]:
    """Full names of what a module imports, also within functions; `from a import b` gives `a.b`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def own(names: Iterator[str]) -> Iterator[str]:
    """The modules of this package among imported names."""
    for name in names:
        parts = name.split(".")
        if parts[0] == "c3dvis" and len(parts) > 1:
            inside = ".".join(parts[1:])
            yield inside if inside in MODULES else ".".join(parts[1:-1])


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_from_rooms_that_the_table_allows(module: str) -> None:
    room = room_of(module)
    if room in ("__init__", "__main__"):
        return  # the package's public names and its command
    for other in own(imported(MODULES[module])):
        there = room_of(other)
        if other and there not in ANYWHERE and there != room:
            assert there in ROOMS.get(room, set()), f"{module} imports {other}: {room} may not import {there}"


def test_the_table_names_every_room_and_nothing_else() -> None:
    assert set(ROOMS) <= set(MODULES), "the table names a room that is not there"
    homeless = {room_of(module) for module in MODULES} - set(ROOMS) - ANYWHERE
    assert homeless == {"__init__", "__main__", "networks"}, "a module stands in no room of the table"


def test_no_two_rooms_import_each_other() -> None:
    order: list[str] = []
    waiting = dict(ROOMS)
    while waiting:
        free = [room for room, allowed in waiting.items() if allowed <= set(order)]
        assert free, f"these rooms may import each other: {', '.join(waiting)}"
        for room in free:
            order.append(room)
            del waiting[room]


@pytest.mark.parametrize("library", HEAVY)
def test_a_heavy_library_stays_in_its_rooms(library: str) -> None:
    for module, path in MODULES.items():
        if any(name.split(".")[0] == library for name in imported(path)):
            room = room_of(module)
            assert any(room == home or room.startswith(f"{home}.") for home in HEAVY[library]), f"{module}: {library}"
