"""Sentences on what is wrong with the workers, or with one of them."""

from c3dvis.queue.queue_status import DEVICE
from c3dvis.spec import RenderSpec


def unreachable(scheduler: str | None, error: Exception) -> str:
    """The scheduler at an address, or this machine's own (None), cannot be used."""
    reason = f"{type(error).__name__}: {error}"
    if scheduler is None:
        return f"This machine's workers could not be started ({reason}). It is tried again; renders wait."
    return (
        f"The Dask scheduler at {scheduler} cannot be used ({reason}). It is tried again, and renders "
        "wait; check that it runs, that C3DVIS_SCHEDULER is its address and that its workers have c3dvis."
    )


def without_devices(scheduler: str) -> str:
    """A scheduler has no worker that renders."""
    return (
        f"The Dask scheduler at {scheduler} has no worker with a device. Start one: "
        f"dask worker {scheduler} --nthreads 1 --memory-limit 0 --resources {DEVICE}=1"
    )


def killed(spec: RenderSpec) -> str:
    """A render has cost two workers their lives."""
    return (
        f"The worker process ended twice while rendering {spec.title} at {spec.frames} × {spec.height} × "
        f"{spec.width}, so the render was given up; most often memory ran out. Make frames, height or width "
        "smaller, and see the program's log for how the process ended."
    )


def refused(error: Exception) -> str:
    """A worker could not even begin."""
    return (
        f"The worker could not take the render ({type(error).__name__}: {error}). A worker needs the same "
        "c3dvis as the program that asks; the program's log has the details."
    )
