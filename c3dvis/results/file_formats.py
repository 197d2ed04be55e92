"""The file formats a result can be saved in: its clip in every media format, the whole result, and its recipe."""

import io

import numpy as np

from c3dvis import media
from c3dvis.media import Format
from c3dvis.results.render_result import RenderResult

FORMATS: dict[str, Format] = {
    **media.FORMATS,
    "h5": Format(".h5", "application/x-hdf5", "The whole result: clip, measures, curve and where it came from", "HDF5"),
    "json": Format(".json", "application/json", "The spec as JSON: repeats this render anywhere", "Recipe"),
}


TEXTURE_MOTION_FORMATS: dict[str, Format] = {
    "texture": Format("_texture.png", "image/png", "The still texture, with its margin, as a PNG", "Texture"),
    "rebuilt": Format("_rebuilt.gif", "image/gif", "Texture and motion together, as a GIF", "Rebuilt"),
    "displacement": Format(
        "_displacement.npy", "application/octet-stream",
        "Where in the texture each pixel comes from: (T, H, W, down and right) in pixels, as a NumPy array",
        "Displacement",
    ),
}  # fmt: skip
"""The formats of a result that was taken apart; the HDF5 file contains texture and displacement too."""


def encode_result(result: RenderResult, fmt: str, *, fps: float = 10) -> bytes:
    """A result as the bytes of a file.

    A media file carries the title and the spec as metadata.

    Args:
        fmt: a key of `FORMATS`, or, for a result with texture and motion, of `TEXTURE_MOTION_FORMATS`.
        fps: frames per second of a media file; HDF5 and recipe have none.

    Raises:
        ValueError: unknown format, impossible rate, or a result without texture and motion.
    """
    if fmt == "h5":
        return result.to_bytes()
    if fmt == "json":
        return result.spec.to_json().encode() + b"\n"
    metadata = {"title": result.spec.title, "spec": result.spec.to_dict()}
    if fmt in TEXTURE_MOTION_FORMATS:
        if result.texture_motion is None:
            raise ValueError(f"{result.spec.title} was not taken apart into texture and motion: it has no {fmt}.")
        match fmt:
            case "texture":
                return media.encode(result.texture_motion.texture[np.newaxis], "png", metadata=metadata)
            case "rebuilt":
                return media.encode(result.texture_motion.rebuilt(), "gif", fps=fps, metadata=metadata)
        file = io.BytesIO()
        np.save(file, result.texture_motion.displacement, allow_pickle=False)
        return file.getvalue()
    return media.encode(result.clip, fmt, fps=fps, metadata=metadata)
