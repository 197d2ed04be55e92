"""How long a render will take, before it starts."""

from itertools import islice

from c3dvis.durations import duration
from c3dvis.networks import registry
from c3dvis.queue import RenderJob
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared.server_resources import ServerResources

TWO_CORES = 1.2e-11
"""Seconds for each step and each multiplication of a forward pass on two cores of a server's processor, with bfloat16,
compiling and measuring included: 144 steps of a class of I3D."""

_LATEST = 8  # finished renders from which the pace is taken
_ALIKE = 4.0  # factor between the costs of two renders up to which one tells how long the other takes


def estimate_sentence(resources: ServerResources, spec: RenderSpec) -> str:
    """One sentence on how long the render of a spec takes; empty where nothing is known about it.

    Renders of about the same cost that this server has finished say it best. Until there are any, it is said for two
    processor cores.
    """
    cost = _cost(spec)
    if not cost:
        return ""
    seconds = measured_seconds(resources, spec)
    if seconds:
        return f"The render takes about {duration(seconds)} here."
    if spec.engine != "fast" or spec.precision == "float32":
        return ""
    return f"The render takes about {duration(cost * TWO_CORES)} on two processor cores, much less on a GPU."


def measured_seconds(resources: ServerResources, spec: RenderSpec) -> float | None:
    """How long the render of a spec takes by the latest renders of about its cost and of its engine; None without."""
    cost = _cost(spec)
    finished = (job for job in resources.queue.jobs() if cost and _tells(job, spec))
    paces = [_seconds(job) / _cost(job.spec) for job in islice(finished, _LATEST)]
    return cost * sum(paces) / len(paces) if paces else None


def _tells(job: RenderJob, spec: RenderSpec) -> bool:
    """Whether a job says how long a spec takes: finished, of the same engine and precision, and of about its cost."""
    other = job.spec
    alike = (other.engine, other.precision, other.network) == (spec.engine, spec.precision, spec.network)
    if job.state != "done" or job.source is not None or not alike or not _cost(other):
        return False
    return 1 / _ALIKE <= _cost(other) / _cost(spec) <= _ALIKE


def _cost(spec: RenderSpec) -> float:
    """Multiplications of the forward passes of all steps; 0 where they are not known."""
    info = registry.describe(spec.network)
    return float(info.architecture.multiplications(spec.layer, *spec.size) * spec.iterations * spec.variants)


def _seconds(job: RenderJob) -> float:
    snapshot = job.snapshot()
    return snapshot.seconds / snapshot.batch_size
