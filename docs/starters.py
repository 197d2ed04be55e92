"""Makes the results that come with the program, and the README's picture: `python docs/starters.py`.

The first visit to the dashboard shows a finished filter at once; these are what it shows. Run it again whenever
`ALGORITHM_VERSION`, a default or the default network changes: their keys change with them.
"""

import sys
from pathlib import Path

import numpy as np

import c3dvis
from c3dvis.media import encode
from c3dvis.results.store import STARTER

README_PICTURE = Path(__file__).resolve().parent / "images" / "filters.gif"
SPECS = (
    c3dvis.RenderSpec(),
    c3dvis.RenderSpec(layer="Mixed_3b", filter=20),
    c3dvis.RenderSpec(layer="Mixed_4f", filter=3),
    c3dvis.RenderSpec(layer="Mixed_5b/Branch_1/Conv3d_0b_3x3", filter=3),
)


def main() -> None:
    """Render, and write both."""
    for old in STARTER.glob("*.h5"):
        old.unlink()
    clips = []
    for spec in SPECS:
        result = c3dvis.render(spec)
        (STARTER / f"{result.key}.h5").write_bytes(result.to_bytes())
        clips.append(result.clip)
        sys.stderr.write(f"{spec.title}: {result.metrics}\n")
    README_PICTURE.write_bytes(encode(np.concatenate(clips, axis=2), "gif", fps=10))


if __name__ == "__main__":
    main()
