"""Answers one request in a process of its own with limited memory, for work on files that may be damaged.

The libraries that read these files are written in C. A damaged file can make them crash or allocate all memory; in a
child process that ends as an error with one sentence. The parent sends one pickled request to a module's `main`, which
calls `serve`. The child answers with lines of JSON: progress, then a report or an error. A child may be compromised by
the file, so nothing that it sends is unpickled.
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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import c3dvis
from c3dvis import errors
from c3dvis.errors import C3dvisError, WeightsDamaged
from c3dvis.networks.weights.progress import OnProgress

TIMEOUT = 120.0
"""Seconds without progress after which a file is given up."""


@dataclass(frozen=True)
class Limits:
    """What a file may cost, and how it is refused.

    Attributes:
        error: raised for a file that crashes what reads it, or asks for too much.
        what: it is expected to be.
        memory: bytes that reading it may take, in addition to what the process has when it starts.
        per_byte: further bytes of memory for each byte of the file.
    """

    error: type[C3dvisError]
    what: str
    memory: int
    per_byte: int


WEIGHTS = Limits(WeightsDamaged, "a weights file", memory=1 << 30, per_byte=4)
"""The limits of weights and models."""

Answer = Callable[[dict[str, Any], Callable[[dict[str, Any]], None]], dict[str, Any]]
"""From a request and a function that sends progress messages to the report, as JSON values."""


def ask(
    module: str,
    request: dict[str, Any],
    subject: Path,
    on_progress: OnProgress | None = None,
    timeout: float = TIMEOUT,
    limits: Limits = WEIGHTS,
) -> dict[str, Any]:
    """The report that a module's `main` answers a request with, in a process of its own.

    Args:
        module: its full name.
        request: what `serve` passes on.
        subject: the file that is read, for error messages.
        timeout: seconds without progress after which the file is given up.
        limits: those that the module's `serve` has too.

    Raises:
        C3dvisError: as the child answered, or the error of `limits` where it crashed or took too long.
    """
    package = str(Path(c3dvis.__file__).resolve().parents[1])
    search_path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
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
            raise limits.error(f"{subject} is refused: reading it {_death(process.wait())}.")
    except queue.Empty:
        raise limits.error(f"{subject} is refused: reading it took too long.") from None
    finally:
        process.kill()
        process.wait()
        reader.join()
    return report_of(message)


def report_of(message: dict[str, Any]) -> dict[str, Any]:
    """The report in a child's last message.

    Raises:
        C3dvisError: the error in it.
    """
    if "error" in message:
        raise getattr(errors, message["type"])(message["error"], message.get("command", ""))
    return message["report"]


def last_message(
    answer: Answer,
    request: dict[str, Any],
    subject: Path,
    send: Callable[[dict[str, Any]], None],
    limits: Limits = WEIGHTS,
) -> dict[str, Any]:
    """The report or the error that a request ends with, as JSON values; called in the child."""
    try:
        return {"report": answer(request, send)}
    except C3dvisError as error:
        return {"error": error.message, "command": error.command, "type": type(error).__name__}
    except MemoryError:
        problem = f"asks for more memory than {limits.what} needs"
    except RecursionError:
        problem = f"nests deeper than {limits.what}"
    return {"error": f"{subject} is refused: it {problem}.", "type": limits.error.__name__}


def serve(answer: Answer, subject: Callable[[dict[str, Any]], Path], limits: Limits = WEIGHTS) -> None:
    """Answer the one request on standard input, in the child.

    Args:
        subject: gives the file that a request is about, for error messages.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not mix with the answers

    def send(message: dict[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    limit_memory(limits.memory)
    request = pickle.load(sys.stdin.buffer)
    with contextlib.suppress(OSError):  # of a file that is not there, the answer says so
        limit_memory(limits.memory + limits.per_byte * subject(request).stat().st_size)
    send(last_message(answer, request, subject(request), send, limits))


def limit_memory(more: int | None) -> None:
    """Limit this process to `more` bytes above what it has mapped now, on systems that tell how much that is.

    None lifts the limit again.
    """
    try:
        import resource

        mapped = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # not Linux: only the checks of shapes and sizes protect
        return
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most if more is None else mapped + more, most))


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
