"""The file formats a result can be saved in: its clip in every media format, the whole result, and its recipe."""

from c3dvis import media
from c3dvis.media import Format
from c3dvis.results.render_result import RenderResult

FORMATS: dict[str, Format] = {
    **media.FORMATS,
    "h5": Format(".h5", "application/x-hdf5", "The whole result: clip, measures, curve and where it came from", "HDF5"),
    "json": Format(".json", "application/json", "The spec as JSON: repeats this render anywhere", "Recipe"),
}


def encode_result(result: RenderResult, fmt: str, *, fps: float = 10) -> bytes:
    """A result as the bytes of a file.

    A media file carries the title and the spec as metadata.

    Args:
        fmt: a key of `FORMATS`.
        fps: frames per second of a media file; HDF5 and recipe have none.

    Raises:
        ValueError: unknown format or impossible rate.
    """
    if fmt == "h5":
        return result.to_bytes()
    if fmt == "json":
        return result.spec.to_json().encode() + b"\n"
    metadata = {"title": result.spec.title, "spec": result.spec.to_dict()}
    return media.encode(result.clip, fmt, fps=fps, metadata=metadata)
