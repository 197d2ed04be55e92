"""`Starters`: results that come with the program, in a folder that is never written."""

import logging
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from c3dvis.errors import ResultDamaged
from c3dvis.results.render_result import RenderResult
from c3dvis.results.thumbnails import Thumbnail, ThumbnailFile, make_thumbnail

STARTER_PICTURES = "pictures.db"
"""A thumbnail file in the folder of the starters: pictures and measures of filters whose results do not come along."""

_log = logging.getLogger(__name__)
_KEY = re.compile(r"[0-9a-f]{64}")


class Starters:
    """Results that come with the program, and pictures of more filters.

    Args:
        folder: contains one `<key>.h5` each, and `STARTER_PICTURES`; None has none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._thumbnails: dict[str, Thumbnail] = {}
        self._pictures = ThumbnailFile(folder / STARTER_PICTURES) if folder else None

    @cached_property
    def keys(self) -> set[str]:
        """Keys of the results."""
        files = self._folder.glob("*.h5") if self._folder else ()
        return {path.stem for path in files if _KEY.fullmatch(path.stem)}

    def result(self, key: str) -> RenderResult | None:
        """The result of that key, or None; also of another version of the program, and under a wrong name."""
        if self._folder is None:
            return None
        path = self._folder / f"{key}.h5"
        try:
            return RenderResult.from_bytes(path.read_bytes())
        except FileNotFoundError:
            return None
        except (ResultDamaged, OSError) as error:
            _log.warning("The starter result %s cannot be used: %s", path, error)
            return None

    def damaged(self) -> set[str]:
        """Keys of the results that cannot be read."""
        return {key for key in self.keys if self.result(key) is None}

    def thumbnails(self, keys: Iterable[str], *, images: bool) -> dict[str, Thumbnail]:
        """Thumbnails of those of the keys that there are."""
        wanted = set(keys)
        for key in self.keys & wanted - self._thumbnails.keys():
            if (result := self.result(key)) and is_current(result, key):
                self._thumbnails[key] = make_thumbnail(result)
        found = {key: self._thumbnails[key] for key in wanted & self._thumbnails.keys()}
        if self._pictures:
            found |= self._pictures.get(sorted(wanted - found.keys()), images=images)
        return found


def is_current(result: RenderResult, key: str) -> bool:
    """Whether this version of the program gives the result that key; an older version may have stored it."""
    return result.is_current and result.key == key
