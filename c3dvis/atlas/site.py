"""The files of a static site: what each filter has, and when they need to be written again.

    index.html              the original project's table, the architecture, what is missing
    site.css, player.js     shared
    LAYER/index.html        a layer's filters
    LAYER/N.html            a filter: player, measures, recipe; N.gif, N.frames.webp and N.<format> beside it

Every address is relative and ends in a file, so the site opens from a folder, a web server or a CDN alike.
"""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from c3dvis import media
from c3dvis.atlas import pages
from c3dvis.atlas.plan import AtlasPlan
from c3dvis.atlas.rendering import Failure
from c3dvis.errors import InvalidSpec, OutputFailed
from c3dvis.files import write_whole
from c3dvis.media.png import sheet_grid
from c3dvis.results import RenderResult
from c3dvis.spec import RenderSpec

FORMATS = (*media.FORMATS, "h5")
"""What a filter's page can offer besides its recipe; the GIF is there always, since the pages show it."""

_ASSETS = Path(__file__).parent
_LEFTOVER_AGE = 60.0  # seconds after which a half-written file belongs to a process that was killed


class Site:
    """A site that grows result by result.

    Args:
        folder: where it is written; made if it is not there.
        plan: what it is to show.
        formats: of `FORMATS`, to be offered for every filter.
        fps: frames per second of its clips.

    Raises:
        InvalidSpec: a format is none.
        OutputFailed: the folder cannot be written.
    """

    def __init__(self, folder: Path, plan: AtlasPlan, formats: Sequence[str] = ("gif",), fps: float = 10) -> None:
        unknown = [name for name in formats if name not in FORMATS]
        if unknown:
            raise InvalidSpec(f"An atlas cannot be written as {unknown[0]!r}: expected some of {', '.join(FORMATS)}.")
        self.folder = folder
        self.written = 0
        self._plan = plan
        self._formats = tuple(name for name in FORMATS if name in {*formats, "gif"})
        self._fps = fps
        self._shown: dict[RenderSpec, pages.Shown] = {}
        try:
            for layer in plan.layers:
                (folder / pages.folder_of(layer)).mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob("**/.*.part"):
                if leftover.stat().st_mtime < time.time() - _LEFTOVER_AGE:
                    leftover.unlink(missing_ok=True)
        except OSError as error:
            raise OutputFailed(f"The atlas cannot be written to {folder}: {error.strerror or error}.") from None

    def add(self, result: RenderResult) -> None:
        """Write a filter's files and page, unless they are there and of this very result.

        Raises:
            OutputFailed: one cannot be written.
        """
        spec = result.spec
        folder = self.folder / pages.folder_of(spec.layer)
        stem = str(spec.filters[0][0])
        grid = sheet_grid(*result.clip.shape[:3])
        names = {
            name: f"{stem}.{'h5' if name == 'h5' else media.FORMATS[name].extension[1:]}" for name in self._formats
        }
        picture = pages.Picture(f"{stem}.frames.webp", grid.columns, self._fps)
        siblings = self._plan.layers[spec.layer]
        digest = self._digest(result)
        page = pages.filter_page(result, digest, siblings, names, picture).encode()
        self._shown[spec] = pages.Shown(stem, bool(result.metrics.get("dead")), result.metrics)
        target = folder / f"{stem}.html"
        written = _read(target)
        files = [*names.values(), picture.name, f"{stem}.json"]
        if digest.encode() not in written or not all((folder / name).is_file() for name in files):
            self._write_files(result, folder, names, picture.name)
            self.written += 1
        if page != written:
            write_whole(target, page, durable=False)  # after the others: it vouches for them

    def _write_files(self, result: RenderResult, folder: Path, names: dict[str, str], sheet: str) -> None:
        spec = result.spec
        about = {"title": spec.title, "spec": spec.to_dict()}
        for name, file in names.items():
            whole = name == "h5"
            data = result.to_bytes() if whole else media.encode(result.clip, name, fps=self._fps, metadata=about)
            write_whole(folder / file, data, durable=False)
        write_whole(folder / sheet, media.encode_frames(result.clip)[0], durable=False)
        write_whole(folder / f"{spec.filter_text}.json", spec.to_json().encode() + b"\n", durable=False)

    def finish(self, failures: Sequence[Failure] = ()) -> None:
        """Write the pages that lead to the filters, and the list of what did not succeed.

        Raises:
            OutputFailed: one cannot be written.
        """
        for name in ("site.css", "player.js"):
            write_whole(self.folder / name, (_ASSETS / name).read_bytes(), durable=False)
        failed = {failure.spec: str(failure.error) for failure in failures}
        for spec in self._plan.specs:
            if spec not in self._shown:
                page = self.folder / pages.folder_of(spec.layer) / f"{spec.filter_text}.html"
                write_whole(page, pages.absent_page(spec, failed.get(spec)).encode(), durable=False)
        for layer in self._plan.layers:
            text = pages.layer_page(self._plan, layer, self._shown, failed)
            write_whole(self.folder / pages.folder_of(layer) / "index.html", text.encode(), durable=False)
        text = pages.index_page(self._plan, self._shown, failed)
        write_whole(self.folder / "index.html", text.encode(), durable=False)

    def _digest(self, result: RenderResult) -> str:
        """Of the clip and all that its files are made from: another one, and they are written again."""
        seal = hashlib.sha256(result.clip.tobytes())
        rest = (result.key, sorted(result.metrics.items()), sorted(result.provenance.items()), self._formats, self._fps)
        seal.update(repr(rest).encode())
        return seal.hexdigest()[:16]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
