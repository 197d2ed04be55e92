"""The code that workers run for a question about a clip; submitted by `probe_dispatch`."""

import time
import traceback
from dataclasses import dataclass
from typing import Any

from distributed import get_worker

from c3dvis.errors import C3dvisError, RenderFailed
from c3dvis.probe import request as requests
from c3dvis.probe.request import ProbeRequest
from c3dvis.queue.worker_tasks import PROGRESS_EVERY, RenderTask, lacks_weights


@dataclass(frozen=True)
class ProbeReply:
    """What a worker returns.

    Attributes:
        value: the answer.
        error: why there is none.
        details: traceback of an unexpected error.
        missing_weights: name of the network whose weights this worker lacks; nothing was computed.
        worker: address of the worker.
    """

    value: Any = None
    error: C3dvisError | None = None
    details: str = ""
    missing_weights: str = ""
    worker: str = ""


def answer(request: ProbeRequest, fingerprint: str) -> ProbeReply:
    """Answer a question in this worker. Never raises: errors come back as sentences.

    Args:
        fingerprint: of the network that the client means.
    """
    task = RenderTask(get_worker())
    sent = float("-inf")

    def report(done: int, total: int) -> None:
        nonlocal sent
        task.raise_if_cancelled()
        if time.monotonic() - sent > PROGRESS_EVERY:
            sent = time.monotonic()
            task.send(kind="probe", done=done, total=total)

    try:
        if missing := lacks_weights(task, request.network, fingerprint):
            return ProbeReply(missing_weights=missing.missing_weights, worker=task.worker)
        return ProbeReply(requests.answer(request, report), worker=task.worker)
    except C3dvisError as error:
        return ProbeReply(error=error)
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or "no message"
        sentence = f"The probe stopped on an unexpected {type(error).__name__}: {reason}. The log has the details."
        return ProbeReply(error=RenderFailed(sentence), details=traceback.format_exc())
