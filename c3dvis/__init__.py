"""c3dvis shows, as a moving volume, what a filter of a 3D convolutional network looks for.

`import c3dvis` loads neither TensorFlow nor Streamlit; the names below load what they need when first used.
"""

from typing import TYPE_CHECKING, Any

from c3dvis.spec import RenderSpec

if TYPE_CHECKING:
    from c3dvis.atlas.api import visualize_all_activations_3d
    from c3dvis.maximize.render import render
    from c3dvis.maximize.texture_motion.take_apart import take_apart
    from c3dvis.networks.compute.keras_network import from_keras
    from c3dvis.networks.compute.network import Network, load_network
    from c3dvis.results import RenderResult, ResultStore

__version__ = "0.1.0"
__all__ = [
    "Network",
    "RenderResult",
    "RenderSpec",
    "ResultStore",
    "from_keras",
    "load_network",
    "render",
    "take_apart",
    "visualize_all_activations_3d",
]

_HOME = {
    "Network": "c3dvis.networks.compute.network",
    "from_keras": "c3dvis.networks.compute.keras_network",
    "load_network": "c3dvis.networks.compute.network",
    "RenderResult": "c3dvis.results",
    "ResultStore": "c3dvis.results",
    "render": "c3dvis.maximize.render",
    "take_apart": "c3dvis.maximize.texture_motion.take_apart",
    "visualize_all_activations_3d": "c3dvis.atlas.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'c3dvis' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
