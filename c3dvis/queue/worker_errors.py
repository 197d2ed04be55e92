"""Sentences for users about workers that cannot be reached, have ended, or refuse a render."""

from c3dvis.durations import duration
from c3dvis.files import byte_size
from c3dvis.queue.queue_status import DEVICE
from c3dvis.spec import RenderSpec


def scheduler_unreachable(address: str | None, error: Exception) -> str:
    """The scheduler at an address, or this machine's own (None), cannot be used."""
    reason = f"{type(error).__name__}: {error}"
    if address is None:
        return f"This machine's workers could not be started ({reason}). It is tried again; renders wait."
    return (
        f"The Dask scheduler at {address} cannot be used ({reason}). It is tried again, and renders "
        "wait; check that it runs, that C3DVIS_SCHEDULER is its address and that its workers have c3dvis."
    )


def no_devices(address: str) -> str:
    """The scheduler has no worker with the resource that a render needs."""
    return (
        f"The Dask scheduler at {address} has no worker with a device. Start one: "
        f"dask worker {address} --nthreads 1 --memory-limit 0 --resources {DEVICE}=1"
    )


def workers_killed(spec: RenderSpec) -> str:
    """Two workers ended while they rendered this spec."""
    return (
        f"The worker process ended twice while rendering {_described(spec)}, so the render was given up; most often "
        "memory ran out. Make frames, height or width smaller, and see the program's log for how the process ended."
    )


def too_much_memory(spec: RenderSpec, memory: float, limit: float) -> str:
    """A worker grew beyond the memory that it may use, both in bytes."""
    return (
        f"The render of {_described(spec)} was given up: its worker needed {byte_size(memory)} of memory, of at most "
        f"{byte_size(limit)}. Make frames, height or width smaller."
    )


def worker_silent(spec: RenderSpec, seconds: float) -> str:
    """The worker process of a render has stopped."""
    return (
        f"The worker that rendered {_described(spec)} did not answer for {duration(seconds)}, so the render was given "
        "up and the worker is replaced. Render it again."
    )


def render_hangs(spec: RenderSpec, seconds: float, step: int, steps: int) -> str:
    """A render makes no progress."""
    at = f"after step {step} of {steps}" if step else "before its first step"
    return (
        f"The render of {_described(spec)} was given up: it made no progress for {duration(seconds)} {at}. Its worker "
        "is replaced. Render it again; if it hangs again, make the clip smaller."
    )


def _described(spec: RenderSpec) -> str:
    return f"{spec.title} at {spec.frames} × {spec.height} × {spec.width}"


def render_refused(error: Exception) -> str:
    """A worker could not start the render."""
    return (
        f"The worker could not take the render ({type(error).__name__}: {error}). A worker needs the same "
        "c3dvis as the program that asks; the program's log has the details."
    )
