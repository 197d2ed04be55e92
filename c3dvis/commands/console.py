"""Output of the command line: results on standard output, everything else on standard error."""

import contextlib
import json
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import rich.console
from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from c3dvis.durations import seconds_left, seconds_per_unit, time_left

PIPE_WIDTH = 160
_PACE_REPORTS = 32  # latest progress reports from which the time left is estimated


class Console:
    """Prints the result, warnings, errors and progress of one command.

    Args:
        json: print one JSON object on standard output and nothing else there.
        debug: also show the log and the messages of libraries.
    """

    def __init__(self, json: bool, debug: bool = False) -> None:
        self.json = json
        self.debug = debug
        self.warnings: list[str] = []
        self._out = _stream_console(sys.stdout)
        # A second stream to the terminal, since `load_tensorflow` closes the usual one for a while.
        self._err = _stream_console(_duplicate_stderr() or sys.stderr)

    def result(self, values: dict[str, Any], *lines: str | Table) -> None:
        """Print the command's result: `values` as JSON for programs, or `lines` for people. Call it once."""
        if self.json:
            if self.warnings:
                values = {**values, "warnings": self.warnings}
            print(json.dumps(values, allow_nan=False))  # noqa: T201
        else:
            for line in lines:
                self._out.print(line)

    def note(self, text: str) -> None:
        """Print information that is not the result."""
        self._err.print(text)

    def warning(self, text: str) -> None:
        """Print and record a problem that did not stop the command."""
        self.warnings.append(text)
        self._err.print(f"Warning: {text}", style="yellow")

    def error(self, text: str) -> None:
        """Print why the command failed."""
        self._err.print(f"c3dvis: {text}", style="red")

    def ask(self, question: str) -> str:
        """The user's answer to a question; empty at the end of the input."""
        try:
            return self._err.input(question)
        except EOFError:
            return ""

    def load_tensorflow(self) -> None:
        """Import TensorFlow and look for devices without the dozen lines that its C++ part prints.

        No log level hides those, so standard error itself is closed meanwhile.

        Raises:
            ImportError: TensorFlow is not installed, or does not run on this machine.
        """
        silenced = contextlib.nullcontext() if self.debug or not _stderr_is_own() else _silenced_stderr()
        with silenced:
            from c3dvis.networks.compute.device import configure

            configure()

    @contextmanager
    def silenced_logs(self) -> Iterator[None]:
        """Hide this package's log while the block runs, unless --debug was given."""
        logger = logging.getLogger("c3dvis")
        before = logger.level
        if not self.debug:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            logger.setLevel(before)

    @contextmanager
    def progress(self, title: str, in_bytes: bool = False, unit: str = "steps") -> Iterator["ProgressBar"]:
        """Show a progress bar on standard error while the block runs."""
        amount: list[ProgressColumn] = [DownloadColumn()] if in_bytes else [TextColumn("{task.fields[amount]} " + unit)]
        columns = [TextColumn("{task.description}"), BarColumn(), *amount, TextColumn("{task.fields[detail]}")]
        with Progress(*columns, TimeElapsedColumn(), console=self._err) as progress:
            yield ProgressBar(progress, title)


class ProgressBar:
    """One progress bar; its first report makes it visible."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=1, detail="", amount="", visible=False)
        self._reports: deque[tuple[float, float]] = deque(maxlen=_PACE_REPORTS)  # (work done, monotonic seconds)

    def update(
        self, done: int, total: int, detail: str = "", *, work: tuple[float, float] | None = None, estimate: bool = True
    ) -> None:
        """Show `done` of `total`, with a few words and the time left beside the bar.

        Args:
            work: done and total, if the parts take different times; the bar and the time left are computed from it.
            estimate: False if `detail` already contains the time left.
        """
        completed, whole = work or (done, total)
        left = None
        if estimate:
            self._reports.append((completed, time.monotonic()))
            if completed < whole:
                left = seconds_left(seconds_per_unit(list(self._reports)), whole - completed)
        self._progress.update(
            self._task,
            completed=completed,
            total=whole,
            amount=f"{done}/{total}",
            detail=", ".join(filter(None, [detail, time_left(left)])),
            visible=True,
        )


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> Table:
    """A table to print; the columns named in `right` are aligned to the right."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def _stream_console(stream: TextIO) -> rich.console.Console:
    console = rich.console.Console(file=stream, markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:  # a pipe has no width, and the default of 80 columns would break names
        console.width = PIPE_WIDTH
    return console


def _stderr_is_own() -> bool:
    """Whether `sys.stderr` is the process's standard error, and not a replacement such as a test's or a notebook's."""
    try:
        return sys.stderr.fileno() == 2
    except (OSError, ValueError, AttributeError):
        return False


def _duplicate_stderr() -> TextIO | None:
    """A second stream to the process's standard error; None if `sys.stderr` is another stream."""
    if not _stderr_is_own():
        return None
    return os.fdopen(os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")


@contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Discard everything written to file descriptor 2 while the block runs."""
    original, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
        os.close(null)
