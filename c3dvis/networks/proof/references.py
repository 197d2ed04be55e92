"""The frameworks that run a model themselves, by the name that its importer gives."""

from pathlib import Path

from c3dvis.networks.proof.comparison import Reference
from c3dvis.networks.proof.keras_reference import KerasReference
from c3dvis.networks.proof.onnx_reference import OnnxReference


def reference(framework: str, architecture: Path, weights: Path | None) -> Reference:
    """A model in its own framework.

    Args:
        framework: `Imported.framework`.
        architecture, weights: as of the importer.

    Raises:
        CannotRun: the framework does not load the model.
    """
    match framework:
        case "keras" | "keras_2":
            return KerasReference("keras" if framework == "keras" else "tf_keras", architecture, weights)
        case "onnx":
            return OnnxReference(architecture)
    raise NotImplementedError(f"{framework} has no reference. Add one here.")
