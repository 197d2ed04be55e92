"""What the comparisons of methods share: renders in processes of their own, figures, means and contact sheets."""

import json
import math
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from c3dvis.media.slices import xt

MEASURES = (
    "shown_activation", "strength", "contrast", "clipped", "twin_gain", "gain", "selectivity", "robustness", "motion",
    "coherence", "repetition",
)  # fmt: skip

_GAP, _BAND, _LABEL = 8, 18, 110  # pixels: between two clips, the line of names, the column of names


def peak_memory() -> float:
    """Largest memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def write_render(path: Path, clip: np.ndarray, figures: dict[str, Any]) -> None:
    """Write what `render_in_process` reads: a clip (T, H, W, 3) uint8 and its figures."""
    np.savez_compressed(path, clip=clip, figures=json.dumps(figures))


def render_in_process(script: str, request: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Clip (T, H, W, 3) uint8 and figures of one render in a new process.

    Args:
        script: started with `--one REQUEST -o FILE`, it writes FILE with `write_render`.
        request: what to render.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.npz"
        command = [sys.executable, script, "--one", request, "-o", str(path)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"The render of {request} failed:\n{done.stderr[-2000:]}")
        with np.load(path) as file:
            return file["clip"], json.loads(str(file["figures"]))


def geometric_mean(values: Iterable[float | None]) -> float | None:
    """Geometric mean of the values that are not None; 0 if one of them is."""
    there = [value for value in values if value is not None]
    if not there:
        return None
    return math.exp(sum(map(math.log, there)) / len(there)) if min(there) > 0 else 0.0


def strip(clip: np.ndarray) -> np.ndarray:
    """(H, 4·W, 3) uint8: three frames of a clip (T, H, W, 3), and its x–t slice stretched to their height."""
    frames, height = clip.shape[:2]
    shown = [clip[i] for i in (frames // 4, frames // 2, 3 * frames // 4)]
    slices = np.repeat(xt(clip, height // 2), -(-height // frames), axis=0)[:height]
    return np.concatenate([*shown, slices], axis=1)


def write_contact_sheet(
    path: Path, rows: Sequence[Sequence[np.ndarray]], columns: Sequence[str] = (), names: Sequence[str] = ()
) -> None:
    """Write a PNG with one row per filter: three frames and the x–t slice of each method's clip.

    Args:
        path: of the PNG.
        rows: clips (T, H, W, 3) uint8 of one size, in the order of `columns`.
        columns: names of the methods, above them; none when left out.
        names: of the rows, left of them; none when left out.
    """
    strips = [[strip(clip) for clip in row] for row in rows]
    height, width = strips[0][0].shape[:2]
    left, top = _LABEL if names else 0, _BAND if columns else 0
    across = left + len(rows[0]) * (width + _GAP) - _GAP
    sheet = Image.new("RGB", (across, top + len(rows) * height), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for i, name in enumerate(columns):
        pen.text((left + i * (width + _GAP), 2), name, fill="black", font=font)
    for j, row in enumerate(strips):
        if names:
            pen.text((2, top + j * height + 2), names[j].replace(" ", "\n"), fill="black", font=font)
        for i, cell in enumerate(row):
            sheet.paste(Image.fromarray(cell), (left + i * (width + _GAP), top + j * height))
    iio.imwrite(path, np.asarray(sheet))
