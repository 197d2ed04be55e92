"""The clips that renders start from, kept beside their results by content hash."""

import io
import logging
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from c3dvis.errors import OutputFailed, StoreError
from c3dvis.files import write_whole
from c3dvis.spec.clip_digest import clip_digest

MOST_BYTES = 500_000_000
"""Size above which the clips that were put there longest ago are deleted; their results stay."""

_log = logging.getLogger(__name__)
_DIGEST = re.compile(r"[0-9a-f]{64}")


class StartClips:
    """A folder of clips, which the first one creates and which only its owner may enter.

    A file that does not hold the clip of its name counts as missing.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, clip: np.ndarray) -> str:
        """Keep a clip (T, H, W, 3) uint8; returns its `clip_digest`.

        Raises:
            StoreError: it cannot be written.
        """
        digest = clip_digest(clip)
        path = self._file(digest)
        if self.get(digest) is None:
            try:
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_whole(path, pack_clip(clip))
            except (OSError, OutputFailed) as error:
                raise StoreError(f"The clip could not be kept: {error}") from None
            self._make_room(path)
        return digest

    def get(self, digest: str) -> np.ndarray | None:
        """The clip (T, H, W, 3) uint8 of a content hash, or None."""
        if not _DIGEST.fullmatch(digest):
            return None
        try:
            clip = unpack_clip(self._file(digest).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("The stored clip %s cannot be read: %s", digest, error)
            return None
        return clip if clip_digest(clip) == digest else None

    def clear(self) -> int:
        """Delete all clips; returns how many there were."""
        files = list(self._path.glob("*.npz"))
        for path in files:
            path.unlink(missing_ok=True)
        return len(files)

    def _file(self, digest: str) -> Path:
        return self._path / f"{digest}.npz"

    def _make_room(self, newest: Path) -> None:
        files = sorted((path for path in self._path.glob("*.npz") if path != newest), key=lambda p: p.stat().st_mtime)
        size = newest.stat().st_size + sum(path.stat().st_size for path in files)
        for path in files:
            if size <= MOST_BYTES:
                return
            size -= path.stat().st_size
            path.unlink(missing_ok=True)


def pack_clip(clip: np.ndarray) -> bytes:
    """A clip (T, H, W, 3) uint8 as a compressed NumPy archive."""
    packed = io.BytesIO()
    np.savez_compressed(packed, clip=clip)
    return packed.getvalue()


def unpack_clip(data: bytes) -> np.ndarray:
    """The clip of `pack_clip`.

    Raises:
        ValueError: the bytes hold no clip.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            clip = arrays["clip"]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"the bytes hold no clip: {error}") from None
    if clip.ndim != 4 or clip.shape[-1] != 3 or clip.dtype != np.uint8:
        raise ValueError(f"a clip is (T, H, W, 3) uint8; received {clip.shape} {clip.dtype}")
    return clip
