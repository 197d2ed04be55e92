"""Makes the starter atlas that comes with the program, and the README's picture: `python docs/starters.py`.

The first visit to the dashboard shows these finished filters at once. Run the script again whenever
`ALGORITHM_VERSION`, a default or the default network changes, since the keys of the results then change.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np

import c3dvis
from c3dvis.cli import main as run_command
from c3dvis.media import encode
from c3dvis.results import RenderResult
from c3dvis.results.store import STARTER

README_PICTURE = Path(__file__).resolve().parent / "images" / "filters.gif"
# Nine results of 0.6 MB; with the pictures of the documents that stays below 8 MB. The default spec is among them, and
# the Gallery opens on its layer.
ATLAS = ("atlas", "--layers", "Mixed_4d", "--filters", "0-7,40", "--formats", "h5")
PICTURE = (
    c3dvis.RenderSpec(),
    c3dvis.RenderSpec(layer="Mixed_3b", filter=20),
    c3dvis.RenderSpec(layer="Mixed_4f", filter=3),
    c3dvis.RenderSpec(layer="Mixed_5b/Branch_1/Conv3d_0b_3x3", filter=3),
)


def main() -> None:
    """Render, and write both."""
    for old in STARTER.glob("*.h5"):
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["C3DVIS_WEIGHTS_DIR"] = str(Path(os.environ.get("C3DVIS_WEIGHTS_DIR", "cache/weights")).resolve())
        os.environ["C3DVIS_CACHE_DIR"] = str(Path(folder) / "cache")
        if code := run_command([*ATLAS, "-o", str(Path(folder) / "atlas")]):
            sys.exit(code)
        for file in (Path(folder) / "atlas").rglob("*.h5"):
            result = RenderResult.from_bytes(file.read_bytes())
            (STARTER / f"{result.key}.h5").write_bytes(file.read_bytes())
            sys.stderr.write(f"{result.spec.title}: {result.metrics}\n")
        with c3dvis.ResultStore(Path(folder) / "cache") as store:
            clips = [(store.get(spec) or c3dvis.render(spec)).clip for spec in PICTURE]
    README_PICTURE.write_bytes(encode(np.concatenate(clips, axis=2), "gif", fps=10))


if __name__ == "__main__":
    main()
