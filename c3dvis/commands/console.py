"""How the command line talks: results on standard output, everything else on standard error."""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

PIPE_WIDTH = 160


class Say:
    """Where a command puts what it has to tell.

    Args:
        json: whether standard output carries one JSON object and nothing else.
        debug: whether what libraries say in passing is shown too.
    """

    def __init__(self, json: bool, debug: bool = False) -> None:
        self.json = json
        self.debug = debug
        self.warnings: list[str] = []
        self._out = _console(sys.stdout)
        # A line of its own to the terminal: `tensorflow` closes the usual one for a while.
        self._err = _console(_twin(sys.stderr) or sys.stderr)

    def result(self, values: dict[str, Any], *lines: str | Table) -> None:
        """The command's outcome: `values` for machines, or `lines` for people; call it once."""
        if self.json:
            if self.warnings:
                values = {**values, "warnings": self.warnings}
            print(json.dumps(values, allow_nan=False))  # noqa: T201
        else:
            for line in lines:
                self._out.print(line)

    def note(self, text: str) -> None:
        """Something good to know that is not the outcome."""
        self._err.print(text)

    def warning(self, text: str) -> None:
        """Something that went wrong and did not stop the command."""
        self.warnings.append(text)
        self._err.print(f"Warning: {text}", style="yellow")

    def error(self, text: str) -> None:
        """Why the command failed."""
        self._err.print(f"c3dvis: {text}", style="red")

    def ask(self, question: str) -> str:
        """What the user types behind a question; nothing at the end of the input."""
        try:
            return self._err.input(question)
        except EOFError:
            return ""

    def tensorflow(self) -> Any:
        """The module, loaded without the dozen lines that its C++ part writes as it starts.

        It takes no log level for those, so standard error itself is closed meanwhile.

        Raises:
            ImportError: it is not installed, or does not run on this machine.
        """
        hushed = contextlib.nullcontext() if self.debug or not _is_real(sys.stderr) else _hushed()
        with hushed:
            import tensorflow as tf

            tf.config.list_physical_devices()  # looks for drivers, and would say that it found none
        return tf

    @contextmanager
    def no_log(self) -> Iterator[None]:
        """What this package would log is left out while the block runs, unless --debug asks for it."""
        logger = logging.getLogger("c3dvis")
        before = logger.level
        if not self.debug:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(before)

    @contextmanager
    def progress(self, title: str, in_bytes: bool = False, unit: str = "steps") -> Iterator["Bar"]:
        """A progress bar on standard error while the block runs."""
        amount: list[ProgressColumn] = [DownloadColumn()] if in_bytes else [TextColumn("{task.fields[amount]} " + unit)]
        columns = [
            TextColumn("{task.description}"),
            BarColumn(),
            *amount,
            TextColumn("{task.fields[detail]}"),
        ]
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=self._err) as progress:
            yield Bar(progress, title)


class Bar:
    """One progress bar; it appears with its first report."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=1, detail="", amount="", visible=False)

    def update(self, done: int, total: int, detail: str = "", work: tuple[float, float] | None = None) -> None:
        """`done` of `total`, with a few words beside the bar.

        Args:
            work: done and in all, where the parts do not take equally long; the bar and the time left go by it.
        """
        completed, whole = work or (done, total)
        amount = f"{done}/{total}"
        self._progress.update(self._task, completed=completed, total=whole, amount=amount, detail=detail, visible=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> Table:
    """A table for people; the columns named in `right` are aligned to the right."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def _console(stream: TextIO) -> Console:
    console = Console(file=stream, markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:  # a pipe has no width; 80 columns would cut names in two
        console.width = PIPE_WIDTH
    return console


def _is_real(stream: TextIO) -> bool:
    """Whether this is the process's own standard error, and not a test's or a notebook's."""
    try:
        return stream.fileno() == 2
    except (OSError, ValueError, AttributeError):
        return False


def _twin(stream: TextIO) -> TextIO | None:
    """Another stream to where the process's standard error goes."""
    if not _is_real(stream):
        return None
    return os.fdopen(os.dup(2), "w", buffering=1, encoding=stream.encoding, errors="backslashreplace")


@contextmanager
def _hushed() -> Iterator[None]:
    """Sends to nowhere what is written to file descriptor 2 while the block runs."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
