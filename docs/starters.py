"""Makes the starters that come with the program, and pictures of documents: `python docs/starters.py`.

The first visit to the dashboard and to each main layer shows these finished filters at once. Run the script again
whenever `ALGORITHM_VERSION`, a default or the default network changes, since the keys of the results then change. A
run that was interrupted goes on where it was: what it rendered is in `cache/starters`.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from PIL import Image

import c3dvis
from c3dvis.media import encode, encode_frames
from c3dvis.networks.classes import class_spec
from c3dvis.networks.registry import describe
from c3dvis.queue import RenderQueue
from c3dvis.results import RenderResult, ResultStore, Thumbnail, result_key
from c3dvis.results.starters import STARTER_PICTURES
from c3dvis.results.store import STARTER
from c3dvis.results.thumbnails import ThumbnailFile
from c3dvis.settings import cache_dir
from c3dvis.spec import PRESETS

ROOT = Path(__file__).resolve().parent.parent
README_PICTURE = ROOT / "docs" / "images" / "filters.gif"
# A result has 0.6 MB, its picture as a lossy WebP 0.03 MB. With the pictures of the documents all stays below 8 MB. The
# default spec is among the results, on whose layer the Gallery opens; each main layer has at least six pictures.
RESULTS = [c3dvis.RenderSpec(layer="Mixed_4d", filter=number) for number in (0, 1, 2, 40)]
LAYERS = (
    "Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3", "Mixed_3b", "Mixed_3c", "Mixed_4b", "Mixed_4c", "Mixed_4d",
    "Mixed_4e", "Mixed_4f", "Mixed_5b", "Mixed_5c",
)  # fmt: skip
PICTURES = [c3dvis.RenderSpec(layer=layer, filter=number) for layer in LAYERS for number in range(6)]
# A class takes a larger clip, and ten times as long: archery, assembling computer, juggling balls.
CLASSES = [class_spec(describe(c3dvis.RenderSpec().network), number) for number in (5, 8, 169)]
QUALITY = 45  # of the WebP, 0 to 100
README_SPECS = (
    c3dvis.RenderSpec(),
    c3dvis.RenderSpec(layer="Mixed_3b", filter=20),
    c3dvis.RenderSpec(layer="Mixed_4f", filter=3),
    c3dvis.RenderSpec(layer="Mixed_5b/Branch_1/Conv3d_0b_3x3", filter=3),
)


PRESETS_PICTURE = ROOT / "docs" / "images" / "presets.webp"
PRESETS_SHOWN = ("clear", "texture", "natural")
PRESETS_FILTERS = (("Mixed_4c", 222), ("Mixed_4f", 301), ("Mixed_5b", 200))
PRESETS_FRAMES = (4, 12)


def make_results() -> None:
    """Put whole results among the starters."""
    for result in rendered(RESULTS):
        (STARTER / f"{result.key}.h5").write_bytes(result.to_bytes())
    for file in STARTER.glob("*.h5"):
        if not RenderResult.from_bytes(file.read_bytes()).is_current:
            file.unlink()


def make_pictures() -> None:
    """Put pictures of filters, with their measures, among the starters, unless the results themselves are there."""
    write_pictures([picture(result, result.key) for result in rendered(PICTURES)])


def make_classes() -> None:
    """Put pictures of classes among the starters.

    The last layer's filters are the classes, so that the Gallery shows the same search as a filter.
    """
    write_pictures([picture(result, key) for result in rendered(CLASSES) for key in _class_keys(result.spec)])


def make_readme_picture() -> None:
    """Draw the README's picture."""
    clips = [result.clip for result in rendered(README_SPECS)]
    README_PICTURE.write_bytes(encode(np.concatenate(clips, axis=2), "gif", fps=10))


def make_presets_picture() -> None:
    """Draw the picture of presets: a row for each filter, frames of each preset beside each other."""
    rows = []
    for layer, number in PRESETS_FILTERS:
        specs = [c3dvis.RenderSpec(layer=layer, filter=number, **PRESETS[name]) for name in PRESETS_SHOWN]
        rows.append(np.concatenate([result.clip[f] for result in rendered(specs) for f in PRESETS_FRAMES], axis=1))
    Image.fromarray(np.concatenate(rows)).save(PRESETS_PICTURE, quality=90, method=6)


PARTS = {
    "results": make_results, "pictures": make_pictures, "classes": make_classes, "readme": make_readme_picture,
    "presets": make_presets_picture,
}  # fmt: skip


def rendered(specs: Sequence[c3dvis.RenderSpec]) -> list[RenderResult]:
    """The results of specs, from the store or rendered now; filters of one layer in batches."""
    results = []
    with ResultStore(cache_dir()) as store, closing(RenderQueue(store, patient=True)) as queue:
        for job in [queue.submit(spec, background=True) for spec in specs]:
            job.wait()
            result = job.result()
            if result is None:
                sys.exit(f"{job.spec.title} has no result: {job.error}")
            sys.stderr.write(f"{result.spec.title}: {result.metrics}\n")
            results.append(result)
    return results


def picture(result: RenderResult, key: str) -> Thumbnail:
    """The clip as a lossy WebP, with the measures, under the key of a spec."""
    image, grid = encode_frames(result.clip, quality=QUALITY, effort=6)
    return Thumbnail(key, result.metrics, result.spec.size, grid.columns, image)


def write_pictures(pictures: Sequence[Thumbnail]) -> None:
    """Write pictures beside those that are there already and are current; results have none."""
    file = ThumbnailFile(STARTER / STARTER_PICTURES)
    keys = [*map(result_key, PICTURES), *(key for spec in CLASSES for key in _class_keys(spec))]
    found = file.get(keys) | {each.key: each for each in pictures}
    file.clear()
    file.put([each for key, each in found.items() if not (STARTER / f"{key}.h5").exists()])


def _class_keys(spec: c3dvis.RenderSpec) -> list[str]:
    return [result_key(spec), result_key(spec.replace(objective="filter"))]


def main() -> None:
    """Render, and write everything, or the parts that are named."""
    parser = argparse.ArgumentParser(description="Make the starters that come with the program.")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="part to make; by default all of them")
    os.environ["C3DVIS_WEIGHTS_DIR"] = str(Path(os.environ.get("C3DVIS_WEIGHTS_DIR", ROOT / "cache/weights")).resolve())
    os.environ["C3DVIS_CACHE_DIR"] = str(ROOT / "cache" / "starters")
    for part in parser.parse_args().only or PARTS:
        PARTS[part]()


if __name__ == "__main__":
    main()
