"""Sends a network's weights to a worker that lacks them."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from c3dvis.errors import WeightsMissing
from c3dvis.networks.registry import NetworkInfo, describe

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)


async def send_weights(client: "Client", worker: str, network: str) -> None:
    """Send a worker the weights that it lacks.

    Raises:
        WeightsMissing, WeightsDamaged: this machine has no weights, or they changed on the way.
        FetchFailed: the worker cannot install them.
    """
    from c3dvis.queue.worker_tasks import receive_weights

    info = describe(network)
    data = await asyncio.to_thread(_weights_bytes, info)
    logger.warning("The worker at %s gets the weights of %s (%d MB).", worker, network, len(data) >> 20)
    try:
        errors: Any = await client.run(receive_weights, network, data, workers=[worker])  # type: ignore[misc]
    except OSError as error:  # the worker is lost; Dask gives the render to another
        logger.warning("The worker at %s was lost while it got weights: %s", worker, error)
        return
    for error in errors.values():
        if error is not None:
            raise error


def _weights_bytes(info: NetworkInfo) -> bytes:
    """The weights file of this machine.

    Raises:
        WeightsMissing: it cannot be read.
    """
    try:
        return info.weights_path.read_bytes()
    except OSError as error:
        raise WeightsMissing(
            f"A worker lacks the weights of {info.name}, and this machine cannot send them: expected a readable "
            f"{info.weights_path} ({error.strerror or error}). Install them on either machine."
        ) from None
