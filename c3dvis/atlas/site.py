"""Writes the files of an atlas: which files a filter has, and when they must be written again.

    index.html              the original project's table, the architecture, what did not succeed
    site.css, player.js     shared
    LAYER/index.html        a layer's filters
    LAYER/N.html            a filter: player, measures, recipe
    LAYER/N.<format>        its downloads; LAYER/N.frames.webp is what the player plays

Every address is relative and ends in a file, so the site opens from a folder, a web server or a CDN alike.
"""

import hashlib
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from c3dvis import media
from c3dvis.atlas import pages
from c3dvis.atlas.plan import AtlasPlan
from c3dvis.atlas.rendering import FailedRender
from c3dvis.errors import InvalidSpec, OutputFailed
from c3dvis.files import write_whole
from c3dvis.media.png import sheet_grid
from c3dvis.results import RenderResult
from c3dvis.results.file_formats import FORMATS, encode_result
from c3dvis.results.interpretation import Metrics
from c3dvis.spec import RenderSpec

_ALWAYS = ("gif", "json")  # the pages show the GIF and offer the recipe
_ASSETS = Path(__file__).parent
_LEFTOVER_AGE = 60.0  # seconds after which a half-written file is one that a killed process left


class Site:
    """A site that grows result by result.

    Args:
        folder: where it is written; made if it does not exist.
        plan: the filters it is to show.
        formats: of `c3dvis.results.file_formats.FORMATS`, offered for every filter; GIF and recipe always are.
        fps: frames per second of its clips.

    Raises:
        InvalidSpec: unknown format.
        OutputFailed: the folder cannot be written.
    """

    def __init__(self, folder: Path, plan: AtlasPlan, formats: Collection[str] = ("gif",), fps: float = 10) -> None:
        unknown = [name for name in formats if name not in FORMATS]
        if unknown:
            raise InvalidSpec(f"An atlas cannot be written as {unknown[0]!r}: expected some of {', '.join(FORMATS)}.")
        self.folder = folder
        self.written = 0
        self._plan = plan
        self._formats = tuple(name for name in FORMATS if name in {*formats, *_ALWAYS})
        self._fps = fps
        self._metrics: dict[RenderSpec, Metrics] = {}
        try:
            for layer in plan.layers:
                (folder / pages.folder_of(layer)).mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob("**/.*.part"):
                if leftover.stat().st_mtime < time.time() - _LEFTOVER_AGE:
                    leftover.unlink(missing_ok=True)
        except OSError as error:
            raise OutputFailed(f"The atlas cannot be written to {folder}: {error.strerror or error}.") from None

    def add(self, result: RenderResult) -> None:
        """Write a filter's files and page, unless they exist and are made from this very result.

        Raises:
            OutputFailed: one cannot be written.
        """
        spec = result.spec
        folder = self.folder / pages.folder_of(spec.layer)
        stem = spec.filter_text
        names = {fmt: stem + FORMATS[fmt].extension for fmt in self._formats}
        sheet = pages.FrameSheet(f"{stem}.frames.webp", sheet_grid(*result.clip.shape[:3]).columns, self._fps)
        digest = self._digest(result)
        page = pages.filter_page(result, digest, self._plan.layers[spec.layer], names, sheet).encode()
        self._metrics[spec] = result.metrics
        target = folder / f"{stem}.html"
        written = _read(target)
        complete = all((folder / name).is_file() for name in (*names.values(), sheet.name))
        if digest.encode() not in written or not complete:
            for fmt, name in names.items():
                write_whole(folder / name, encode_result(result, fmt, fps=self._fps), durable=False)
            write_whole(folder / sheet.name, media.encode_frames(result.clip)[0], durable=False)
            self.written += 1
        if page != written:
            write_whole(target, page, durable=False)  # last, since its digest says that the other files are complete

    def finish(self, failures: Sequence[FailedRender] = ()) -> None:
        """Write the pages that link to the filters, with the list of what did not succeed.

        Raises:
            OutputFailed: one cannot be written.
        """
        write_whole(self.folder / "site.css", (_ASSETS / "site.css").read_bytes(), durable=False)
        write_whole(self.folder / "player.js", media.PLAYER.read_bytes(), durable=False)
        failed = {failure.spec: str(failure.error) for failure in failures}
        for spec in self._plan.specs:
            if spec not in self._metrics:
                page = self.folder / pages.folder_of(spec.layer) / f"{spec.filter_text}.html"
                write_whole(page, pages.absent_page(spec, failed.get(spec)).encode(), durable=False)
        for layer in self._plan.layers:
            text = pages.layer_page(self._plan, layer, self._metrics, failed)
            write_whole(self.folder / pages.folder_of(layer) / "index.html", text.encode(), durable=False)
        text = pages.index_page(self._plan, self._metrics, failed)
        write_whole(self.folder / "index.html", text.encode(), durable=False)

    def _digest(self, result: RenderResult) -> str:
        """SHA-256 over the clip and all else that a filter's files are made from, 16 hex digits."""
        digest = hashlib.sha256(result.clip.tobytes())
        rest = (result.key, sorted(result.metrics.items()), sorted(result.provenance.items()), self._formats, self._fps)
        digest.update(repr(rest).encode())
        return digest.hexdigest()[:16]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
