"""Reads a user's weights file in a process with limited memory, one process for each request.

The libraries that read these formats are written in C. A damaged file can make them crash or allocate all memory; in
the sandbox that ends as an error with one sentence. The parent sends one pickled request. The child, which runs this
module, answers with lines of JSON: progress, then a report or an error. A child may be compromised by the file, so
nothing that it sends is unpickled.
"""

import contextlib
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import c3dvis
from c3dvis import errors
from c3dvis.errors import C3dvisError, WeightsDamaged
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.weights.conversion import convert, inspect
from c3dvis.networks.weights.progress import OnProgress
from c3dvis.networks.weights.weights_file import WeightsReport

MEMORY_LIMIT = 1 << 30
"""Bytes of memory that reading a file may take, in addition to what the process has when it starts."""

TIMEOUT = 120.0
"""Seconds without progress after which a file is given up."""


def inspect_in_sandbox(
    path: Path, architecture: Architecture, size: tuple[int, int, int], timeout: float = TIMEOUT
) -> WeightsReport:
    """`conversion.inspect` in a process with limited memory.

    Args:
        timeout: seconds without an answer after which the file is given up.

    Raises:
        WeightsDamaged: the file does not hold weights of this architecture, or crashes what reads it.
    """
    return _ask({"path": path, "architecture": architecture, "size": size}, None, timeout)


def convert_in_sandbox(
    path: Path,
    target: Path,
    architecture: Architecture,
    size: tuple[int, int, int],
    dtype: str = "float32",
    trust: bool = False,
    on_progress: OnProgress | None = None,
    origin: dict[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> WeightsReport:
    """`conversion.convert` in a process with limited memory.

    Args:
        timeout: seconds without progress after which the file is given up.

    Raises:
        WeightsDamaged: the file does not hold weights of this architecture, or crashes what reads it.
        OutputFailed: the target cannot be written.
    """
    request = {
        "path": path, "target": target, "architecture": architecture, "size": size, "dtype": dtype, "trust": trust,
        "origin": origin,
    }  # fmt: skip
    return _ask(request, on_progress, timeout)


def answer(request: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """The report or the error that a request ends with, as JSON values; called in the child.

    Args:
        request: the arguments of `convert`, or those of `inspect` if it has no target.
        send: receives progress messages.
    """
    try:
        if "target" in request:
            report = convert(**request, on_progress=lambda done, total: send({"progress": [done, total]}))
        else:
            report = inspect(**request)
        return {"report": asdict(report)}
    except C3dvisError as error:
        return {"error": str(error), "type": type(error).__name__}
    except MemoryError:
        problem = "asks for more memory than a weights file needs"
    except RecursionError:
        problem = "nests deeper than a weights file"
    return {"error": f"{request['path']} is refused: it {problem}.", "type": WeightsDamaged.__name__}


def limit_memory() -> None:
    """Limits this process to `MEMORY_LIMIT` above what it has mapped now, on systems that can tell how much that is."""
    try:
        import resource

        mapped = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not Linux: only the checks of shapes and sizes protect
        return
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY_LIMIT, mapped + MEMORY_LIMIT))


def _ask(request: dict[str, Any], on_progress: OnProgress | None, timeout: float) -> WeightsReport:
    """Starts a child, sends it the request and returns the report that it answers with."""
    package = str(Path(c3dvis.__file__).resolve().parents[1])
    search_path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", "c3dvis.networks.weights.sandbox"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search_path},
    )  # fmt: skip
    assert process.stdin
    assert process.stdout
    messages = queue.Queue[dict[str, Any] | None]()
    reader = threading.Thread(target=_read_messages, args=(process.stdout, messages), daemon=True)
    reader.start()
    try:
        with contextlib.suppress(BrokenPipeError), process.stdin:  # of a dead child, the reader reports the end
            pickle.dump(request, process.stdin)
        while (message := messages.get(timeout=timeout)) and "progress" in message:
            if on_progress:
                on_progress(*message["progress"])
        if message is None:
            raise WeightsDamaged(f"{request['path']} is refused: reading it {_death(process.wait())}.")
    except queue.Empty:
        raise WeightsDamaged(f"{request['path']} is refused: reading it took too long.") from None
    finally:
        process.kill()
        process.wait()
        reader.join()
    if "error" in message:
        raise getattr(errors, message["type"])(message["error"])
    return WeightsReport.from_dict(message["report"])


def _read_messages(stdout: IO[bytes], messages: "queue.Queue[dict[str, Any] | None]") -> None:
    """Puts every message of a child into the queue, and None when the child has ended."""
    with stdout:
        for line in stdout:
            messages.put(json.loads(line))
    messages.put(None)


def _death(exit_code: int) -> str:
    try:
        return f"crashed the library that reads it ({signal.Signals(-exit_code).name})"
    except ValueError:
        return f"ended the process that reads it (exit code {exit_code})"


def main() -> None:
    """Answers the one request on standard input, in the child."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not mix with the answers

    def send(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    limit_memory()
    send(answer(pickle.load(sys.stdin.buffer), send))


if __name__ == "__main__":
    main()
