"""Reads weights files in a process of its own, whose memory is limited: what a bad file does, it does there.

The libraries that read these formats are written in C, and a damaged file can make them crash or ask for all the
memory there is. Here that ends as one sentence. Requests and answers are lines of JSON; the child is this module.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

import c3dvis
from c3dvis import errors
from c3dvis.errors import C3dvisError, WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.weights.conversion import convert, inspect
from c3dvis.networks.weights.weights_file import WeightsReport

ROOM = 1 << 30
"""Bytes of memory that reading a file may take above what the process starts with."""

SILENCE = 120.0
"""Seconds without a word after which a file is given up."""

OnProgress = Callable[[int, int], None]
"""Hears (layers done, layers in all)."""


class Apart:
    """A process that reads files; use it as a context manager. After a crash the next request starts another.

    Args:
        silence: seconds without a word after which a file is given up.
    """

    def __init__(self, silence: float = SILENCE) -> None:
        self._silence = silence
        self._process: subprocess.Popen[str] | None = None
        self._lines = queue.Queue[str]()

    def __enter__(self) -> "Apart":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def process_id(self) -> int | None:
        """Of the process that reads, while there is one."""
        return self._process.pid if self._process else None

    def inspect(self, path: Path, architecture: Architecture, size: tuple[int, int, int]) -> WeightsReport:
        """As `convert.inspect`."""
        return self._ask({"path": str(path)}, architecture, size, None)

    def convert(
        self,
        path: Path,
        target: Path,
        architecture: Architecture,
        size: tuple[int, int, int],
        dtype: str = "float32",
        trust: bool = False,
        on_progress: OnProgress | None = None,
        origin: dict[str, Any] | None = None,
    ) -> WeightsReport:
        """As `convert.convert`."""
        request = {"path": str(path), "target": str(target), "dtype": dtype, "trust": trust, "origin": origin}
        return self._ask(request, architecture, size, on_progress)

    def _ask(
        self, request: dict[str, Any], architecture: Architecture, size: tuple[int, int, int], tell: OnProgress | None
    ) -> WeightsReport:
        request |= {"architecture": architecture.to_dict(), "size": size}
        process = self._process or self._start()
        assert process.stdin
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            while True:
                try:
                    line = self._lines.get(timeout=self._silence)
                except queue.Empty:
                    raise WeightsDamaged(f"{request['path']} is refused: reading it took too long.") from None
                if not line:
                    raise WeightsDamaged(f"{request['path']} is refused: reading it {self._death(process)}.")
                answer = json.loads(line)
                if "progress" not in answer:
                    break
                if tell:
                    tell(*answer["progress"])
        except BrokenPipeError:
            raise WeightsDamaged(f"{request['path']} is refused: reading it {self._death(process)}.") from None
        except BaseException:  # an answer may still come, and must not be taken for the next one's
            if self._process is not None:
                self._end()
            raise
        if "error" in answer:
            raise getattr(errors, answer["type"])(answer["error"])
        return WeightsReport.from_dict(answer["report"])

    def _start(self) -> subprocess.Popen[str]:
        package = str(Path(c3dvis.__file__).resolve().parents[1])
        path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "c3dvis.networks.weights.sandbox"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, encoding="utf-8", bufsize=1, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        self._lines = queue.Queue[str]()
        threading.Thread(target=_pass_on, args=(self._process, self._lines), daemon=True).start()
        return self._process

    def _death(self, process: subprocess.Popen[str]) -> str:
        code = process.wait()
        self._end()
        try:
            return f"crashed the library that reads it ({signal.Signals(-code).name})"
        except ValueError:
            return f"ended the process that reads it (exit code {code})"

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):  # what was still to be written to the dead
                process.stdin.close()


def _pass_on(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    """Every line that a process says, and an empty one at its end."""
    assert process.stdout
    with process.stdout as said:
        for line in said:
            lines.put(line)
    lines.put("")


def _limit() -> None:
    """Leaves this process `ROOM` above what it has mapped now, where the system can."""
    try:
        import resource

        mapped = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not Linux: no such measure, and the checks of shapes are what there is
        return
    resource.setrlimit(resource.RLIMIT_AS, (mapped + ROOM, mapped + ROOM))


def _answer(request: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    path = Path(request["path"])
    try:
        architecture = Architecture.from_dict(request["architecture"])
        size = tuple(request["size"])
        if "target" not in request:
            report = inspect(path, architecture, size)
        else:
            report = convert(
                path, Path(request["target"]), architecture, size, request["dtype"], request["trust"],
                lambda done, total: say({"progress": [done, total]}), request["origin"],
            )  # fmt: skip
    except C3dvisError as error:
        return {"error": str(error), "type": type(error).__name__}
    except MemoryError:
        return {
            "error": f"{path} is refused: it asks for more memory than a weights file needs.",
            "type": "WeightsDamaged",
        }
    except RecursionError:
        return {"error": f"{path} is refused: it nests deeper than a weights file.", "type": "WeightsDamaged"}
    return {"report": asdict(report)}


def main() -> None:
    """Answers requests until standard input ends."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")
    sys.stdout = sys.stderr  # what a library prints is no answer

    def say(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    _limit()
    for line in sys.stdin:
        say(_answer(json.loads(line), say))


if __name__ == "__main__":
    main()
