"""What the benchmarks of a single step feed it: the energy of a spec for a batch of filters."""

from collections.abc import Sequence

import numpy as np

from c3dvis.maximize.energy.energy import Energy
from c3dvis.maximize.energy.objectives import LEAK, position_weights
from c3dvis.networks.compute.network import Network
from c3dvis.spec import RenderSpec

_NOT_IN_SPEC = {"selectivity_weight", "positions", "filters", "noise", "leak"}


def energy_of(network: Network, spec: RenderSpec, filters: Sequence[int], noise: np.ndarray | None = None) -> Energy:
    """The energy of a spec's layer at full size, for one volume per filter, with the spec's weights.

    Args:
        network: the network.
        spec: names layer, size and weights.
        filters: index of the filter of each volume.
        noise: (2, filters of the layer) float32 as in `rivalry.rivalry`; ones when left out.
    """
    shape = network.info.output_shape(spec.layer, spec.frames, spec.height, spec.width)
    return Energy(
        positions=position_weights(spec, shape),
        filters=np.eye(shape[3], dtype=np.float32)[list(filters)],
        noise=np.ones((2, shape[3]), np.float32) if noise is None else noise,
        selectivity_weight=np.full(len(filters), spec.selectivity_weight, np.float32),
        leak=LEAK,
        **{name: getattr(spec, name) for name in Energy._fields if name not in _NOT_IN_SPEC},
    )
