"""Makes the starters that come with the program, and the README's picture: `python docs/starters.py`.

The first visit to the dashboard and to each main layer shows these finished filters at once. Run the script again
whenever `ALGORITHM_VERSION`, a default or the default network changes, since the keys of the results then change.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

import c3dvis
from c3dvis.cli import main as run_command
from c3dvis.media import encode, encode_frames
from c3dvis.results import RenderResult, Thumbnail
from c3dvis.results.starters import STARTER_PICTURES
from c3dvis.results.store import STARTER
from c3dvis.results.thumbnails import ThumbnailFile

README_PICTURE = Path(__file__).resolve().parent / "images" / "filters.gif"
# A result has 0.6 MB, its picture as a lossy WebP 0.03 MB. With the pictures of the documents all stays below 8 MB. The
# default spec is among the results, on whose layer the Gallery opens; each main layer has at least six pictures.
RESULTS = ("Mixed_4d", "0-2,40")
PICTURES = (
    "Conv3d_1a_7x7,Conv3d_2b_1x1,Conv3d_2c_3x3,Mixed_3b,Mixed_3c,Mixed_4b,Mixed_4c,Mixed_4d,Mixed_4e,Mixed_4f,Mixed_5b,"
    "Mixed_5c",
    "0-5",
)
QUALITY = 45  # of the WebP, 0 to 100
README_SPECS = (
    c3dvis.RenderSpec(),
    c3dvis.RenderSpec(layer="Mixed_3b", filter=20),
    c3dvis.RenderSpec(layer="Mixed_4f", filter=3),
    c3dvis.RenderSpec(layer="Mixed_5b/Branch_1/Conv3d_0b_3x3", filter=3),
)


def main() -> None:
    """Render, and write everything."""
    for old in (*STARTER.glob("*.h5"), *STARTER.glob("*.db")):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["C3DVIS_WEIGHTS_DIR"] = str(Path(os.environ.get("C3DVIS_WEIGHTS_DIR", "cache/weights")).resolve())
        os.environ["C3DVIS_CACHE_DIR"] = str(Path(folder) / "cache")
        write_results(rendered(*RESULTS, Path(folder) / "results"))
        write_pictures(rendered(*PICTURES, Path(folder) / "pictures"))
        with c3dvis.ResultStore(Path(folder) / "cache") as store:
            clips = [(store.get(spec) or c3dvis.render(spec)).clip for spec in README_SPECS]
    README_PICTURE.write_bytes(encode(np.concatenate(clips, axis=2), "gif", fps=10))


def rendered(layers: str, filters: str, folder: Path) -> list[RenderResult]:
    """The results of filters of some layers, as an atlas in `folder` has them."""
    if code := run_command(["atlas", "--layers", layers, "--filters", filters, "--formats", "h5", "-o", str(folder)]):
        sys.exit(code)
    return [RenderResult.from_bytes(file.read_bytes()) for file in sorted(folder.rglob("*.h5"))]


def write_results(results: list[RenderResult]) -> None:
    """Put whole results among the starters."""
    for result in results:
        (STARTER / f"{result.key}.h5").write_bytes(result.to_bytes())
        sys.stderr.write(f"{result.spec.title}: {result.metrics}\n")


def write_pictures(results: list[RenderResult]) -> None:
    """Put the pictures and measures of results among the starters, unless the results themselves are there."""
    pictures = []
    for result in results:
        if not (STARTER / f"{result.key}.h5").exists():
            image, grid = encode_frames(result.clip, quality=QUALITY, effort=6)
            pictures.append(Thumbnail(result.key, result.metrics, result.spec.size, grid.columns, image))
    ThumbnailFile(STARTER / STARTER_PICTURES).put(pictures)


if __name__ == "__main__":
    main()
