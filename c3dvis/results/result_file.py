"""The file format of a result: one HDF5 file that any HDF5 reader opens, sealed with a checksum.

Layout:

    first 512 bytes    text (an HDF5 user block): a title, and the SHA-256 of all bytes after it
    /                  attributes: format, format_version, readme, title, key, fingerprint, algorithm
    /clip              (T, H, W, 3) uint8 RGB, gzip; attribute sha256 over its bytes
    /spec              the RenderSpec as JSON
    /history           table: step, seconds, objective, shown_activation (NaN: not measured)
    /metrics           attributes, one per measure (empty: not defined)
    /provenance        attributes: device, seconds, versions, created …
    /texture_motion    only if the clip was taken apart, in files of format version 2:
        texture        (H + 2 margin, W + 2 margin, 3) uint8 RGB, gzip
        displacement   (T, H, W, 2) float16 in pixels, down and right, gzip
    /channels          only of a network of more than three channels, in files of format version 3:
                       (T, H, W, channels) uint8, gzip; the clip is what is shown of it, and may be larger

The seal is checked before the HDF5 library reads the file, since that library is not safe on damaged files. The seal
does not show who made a file, and a malicious file can have a valid seal. So files with external links, unknown HDF5
filters, or sizes that do not fit the spec are rejected.
"""

import hashlib
import io
from typing import Any, NamedTuple

import h5py
import numpy as np

from c3dvis.errors import InvalidSpec, ResultDamaged
from c3dvis.spec import RenderSpec

FORMAT = "c3dvis render result"
FORMAT_VERSION, TEXTURE_MOTION_VERSION, CHANNELS_VERSION = 1, 2, 3
"""Of files with a clip alone, with texture and motion, and with channels. An older release can read those it knows."""

HISTORY_COLUMNS = ("step", "seconds", "objective", "shown_activation")
MAX_BYTES = 256 * 2**20

_USER_BLOCK = 512
_TITLE = b"c3dvis render result: an HDF5 file. Open it with h5py, h5dump or HDFView.\n"
_SEAL = b"SHA-256 of all bytes after the first 512: "
_HISTORY = np.dtype(list(zip(HISTORY_COLUMNS, ("<i8", "<f8", "<f8", "<f8"), strict=True)))
_MAX_HISTORY = 1_000_000
_MEMBERS = ("clip", "spec", "history", "metrics", "provenance")
_TEXTURE_MOTION, _PARTS = "texture_motion", ("texture", "displacement")
_CHANNELS = "channels"
_EXTRA = {FORMAT_VERSION: (), TEXTURE_MOTION_VERSION: (_TEXTURE_MOTION,), CHANNELS_VERSION: (_CHANNELS,)}
"""Members of a file of each version, beside `_MEMBERS`."""
_GROUPS = ("metrics", "provenance", _TEXTURE_MOTION)
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}
_README = (
    "A rendering of what a filter of a 3D convolutional network looks for, made by c3dvis. "
    "clip: frames, height, width, RGB. spec: what was asked for, as JSON; c3dvis renders it again from that. "
    "history: the optimisation, step by step. metrics: attributes of the group. "
    "provenance: where and how it was made."
)
_TEXTURE_MOTION_README = (
    " texture_motion: the clip as one still texture and its motion. Pixel (y, x) of frame t shows the texture at "
    "(m + y + displacement[t, y, x, 0], m + x + displacement[t, y, x, 1]), where m is half of what the texture is "
    "larger than a frame."
)


_CHANNELS_README = " channels: a value for each channel of the network, of which clip is the picture."


class Contents(NamedTuple):
    """The contents of a file. `unpack` checks their types and shapes, not their meaning."""

    clip: np.ndarray
    spec_json: str
    history: list[tuple[Any, ...]]
    metrics: dict[str, Any]
    provenance: dict[str, Any]
    identity: dict[str, Any]
    texture_motion: tuple[np.ndarray, np.ndarray] | None = None
    channels: np.ndarray | None = None


def fits(shape: tuple[int, ...], size: tuple[int, int, int], channels: int | None) -> bool:
    """Whether a clip's shape is that of a size; of more than three channels, these may be in rows side by side."""
    if channels is None:
        return shape == (*size, 3)
    if len(shape) != 4 or shape[0] != size[0] or shape[3] != 3:
        return False
    (rows, more_rows), (columns, more_columns) = (divmod(shape[axis], size[axis]) for axis in (1, 2))
    is_whole = not more_rows and not more_columns
    return is_whole and ((rows, columns) == (1, 1) or channels <= rows * columns <= 2 * channels)


def pack(contents: Contents) -> bytes:
    """The file's bytes. Equal contents give equal bytes: the file contains no time of writing."""
    clip = contents.clip
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=_USER_BLOCK) as h5:
        parts = contents.texture_motion
        version, more = FORMAT_VERSION, ""
        if parts:
            version, more = TEXTURE_MOTION_VERSION, _TEXTURE_MOTION_README
        if contents.channels is not None:
            version, more = CHANNELS_VERSION, _CHANNELS_README
        readme = _README + more
        h5.attrs.update({"format": FORMAT, "format_version": version, "readme": readme, **contents.identity})
        frames = h5.create_dataset("clip", data=clip, chunks=(1, *clip.shape[1:]), compression="gzip", shuffle=True)
        frames.attrs["axes"] = "frame, row, column, RGB"
        frames.attrs["sha256"] = hashlib.sha256(clip.tobytes()).hexdigest()
        h5.create_dataset("spec", data=contents.spec_json, dtype=h5py.string_dtype())
        rows = [tuple(np.nan if cell is None else cell for cell in row) for row in contents.history]
        h5.create_dataset("history", data=np.array(rows, dtype=_HISTORY))
        for name, values in (("metrics", contents.metrics), ("provenance", contents.provenance)):
            group = h5.create_group(name)
            for key, value in sorted(values.items()):
                group.attrs[key] = h5py.Empty("<f8") if value is None else value
        if parts:
            group = h5.create_group(_TEXTURE_MOTION)
            for name, values in zip(_PARTS, parts, strict=True):
                group.create_dataset(name, data=values, compression="gzip", shuffle=True)
        if contents.channels is not None:
            h5.create_dataset(_CHANNELS, data=contents.channels, compression="gzip", shuffle=True)
    body = file.getvalue()[_USER_BLOCK:]
    return _user_block(body) + body


def unpack(data: bytes) -> Contents:
    """The contents of a file that `pack` wrote.

    Raises:
        ResultDamaged: it is not such a file, incomplete, altered, or refers to data outside the file.
    """
    check_seal(data)
    try:
        with h5py.File(io.BytesIO(data), "r") as h5:
            return _read(h5)
    except ResultDamaged:
        raise
    except InvalidSpec as error:
        raise ResultDamaged(f"The stored result has an unusable spec. {error}") from error
    # It is not documented what the HDF5 library raises on an invalid file.
    except Exception as error:
        raise ResultDamaged(f"The stored result cannot be read as HDF5: {error}") from error


def _user_block(body: bytes) -> bytes:
    seal = hashlib.sha256(body).hexdigest().encode()
    return (_TITLE + _SEAL + seal + b"\n").ljust(_USER_BLOCK, b"\0")


def check_seal(data: bytes) -> None:
    """Raises ResultDamaged unless the bytes are exactly those that `pack` returned."""
    if not data.startswith(_TITLE + _SEAL):
        raise ResultDamaged(
            "This is not a stored result of c3dvis, or its beginning is damaged: expected a file that begins "
            f"with {_TITLE[:20].decode()!r}. Received: {len(data)} bytes that begin with {data[:20]!r}."
        )
    if len(data) > MAX_BYTES:
        raise ResultDamaged(
            f"The stored result is too large: expected at most {MAX_BYTES} bytes. Received: {len(data)}."
        )
    if data[:_USER_BLOCK] != _user_block(data[_USER_BLOCK:]):
        raise ResultDamaged(
            f"The stored result was cut short or altered: its {len(data)} bytes do not match the checksum "
            "that was stored with them. Render it again."
        )


def _read(h5: h5py.File) -> Contents:
    version: Any = h5.attrs["format_version"]
    if h5.attrs["format"] != FORMAT or version not in _EXTRA:
        raise ResultDamaged(
            f"The stored result has a format that this version of c3dvis does not read: expected {FORMAT!r} "
            f"version {', '.join(map(str, _EXTRA))}. Received: {h5.attrs['format']!r} version {version}."
        )
    _check_members(h5, (*_MEMBERS, *_EXTRA[version]))
    spec_json = _text(h5["spec"])
    spec = RenderSpec.from_json(spec_json)
    channels, clip_shape = None, (*spec.size, 3)
    if _CHANNELS in h5:
        count = h5[_CHANNELS].shape[-1]  # pyright: ignore[reportAttributeAccessIssue]
        channels = _dataset(h5, _CHANNELS, (*spec.size, count), np.dtype(np.uint8))
        clip_shape = h5["clip"].shape  # pyright: ignore[reportAttributeAccessIssue]
        if not fits(clip_shape, spec.size, count):
            raise ResultDamaged(f"The stored clip {clip_shape} does not fit its channels {channels.shape}.")
    clip = _dataset(h5, "clip", clip_shape, np.dtype(np.uint8))
    if hashlib.sha256(clip.tobytes()).hexdigest() != h5["clip"].attrs["sha256"]:
        raise ResultDamaged("The stored clip does not match the checksum that was stored with it.")
    length = len(h5["history"])  # pyright: ignore[reportArgumentType]
    if length > _MAX_HISTORY:
        raise ResultDamaged(f"The stored history is too long: expected at most {_MAX_HISTORY}. Received: {length}.")
    history = _dataset(h5, "history", (length,), _HISTORY)
    identity = {name: _scalar(h5.attrs[name]) for name in ("title", "key", "fingerprint", "algorithm")}
    return Contents(
        clip=clip,
        spec_json=spec_json,
        history=history.tolist(),
        metrics=_attributes(h5["metrics"]),
        provenance=_attributes(h5["provenance"]),
        identity=identity,
        texture_motion=_read_texture_motion(h5[_TEXTURE_MOTION], spec.size) if _TEXTURE_MOTION in h5 else None,
        channels=channels,
    )


def _read_texture_motion(group: Any, size: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    _check_members(group, _PARTS)
    displacement = _dataset(group, "displacement", (*size, 2), np.dtype("<f2"))
    height, width = (side - frame for side, frame in zip(group["texture"].shape[:2], size[1:], strict=True))
    if height != width or height % 2 or not 0 <= height <= 2 * max(size[1:]):
        raise ResultDamaged(
            "The stored texture does not fit its spec: expected the same margin on all sides of a frame, at most as "
            f"wide as the frame. Received: shape {group['texture'].shape}."
        )
    texture = _dataset(group, "texture", (size[1] + height, size[2] + width, 3), np.dtype(np.uint8))
    return texture, displacement


def _check_members(h5: Any, names: tuple[str, ...]) -> None:
    """Refuses other members than these, and members that are stored in another file."""
    if sorted(h5) != sorted(names):
        raise ResultDamaged(
            f"The stored result has other members than it should: expected {', '.join(names)}. "
            f"Received: {', '.join(h5)}."
        )
    for name in names:
        link = h5.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ResultDamaged(
                f"The stored result reaches outside itself: expected {name!r} to be stored in the file. "
                f"Received: a {type(link).__name__}."
            )
        kind = h5py.Group if name in _GROUPS else h5py.Dataset
        if not isinstance(h5[name], kind):
            raise ResultDamaged(
                f"The stored result is not laid out as it should be: expected {name!r} to be a "
                f"{kind.__name__}. Received: a {type(h5[name]).__name__}."
            )


def _dataset(h5: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """The array of that name, read only after its shape, type and storage have been checked."""
    found: Any = h5[name]
    if found.shape != shape or found.dtype != dtype:
        raise ResultDamaged(
            f"The stored {name} does not fit its spec: expected shape {shape} and type {dtype}. "
            f"Received: shape {found.shape} and type {found.dtype}."
        )
    _check_storage(found)
    return np.ascontiguousarray(found[()])


def _check_storage(found: Any) -> None:
    settings = found.id.get_create_plist()
    filters = {settings.get_filter(index)[0] for index in range(settings.get_nfilters())}
    if found.is_virtual or found.external or filters - _FILTERS:
        raise ResultDamaged(
            f"The stored result reaches outside itself: expected {found.name!r} to be plain or gzip data in "
            "the file. Received: external or virtual storage, or a foreign filter."
        )


def _text(found: Any) -> str:
    if found.shape != () or h5py.check_string_dtype(found.dtype) is None:
        raise ResultDamaged(
            f"The stored spec is no text: expected one string. Received: shape {found.shape} and type {found.dtype}."
        )
    _check_storage(found)
    return found.asstr()[()]


def _attributes(group: Any) -> dict[str, Any]:
    return {name: _scalar(value) for name, value in group.attrs.items()}


def _scalar(value: Any) -> Any:
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, str | int | float | bool):
        raise ResultDamaged(
            f"The stored result has an attribute that is no single number or text. Received: {type(value).__name__}."
        )
    return value
