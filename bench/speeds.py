"""Whether filters are shown at the speed that they look for.

    python bench/speeds.py
    python bench/speeds.py --layers Mixed_3b --filters 2 -o speeds.json

What a filter looks for is measured without any search: three textures with the spectrum of natural images move across
the network's field of view with steady velocities (`SPEEDS` in eight directions). A filter *prefers* the speed of the
highest response. Filters that respond at least twice as strongly to it as to the still textures, and do not prefer the
fastest of all, are drawn at random from each layer. Filters that respond most to the still textures are drawn too. Each
is rendered with its defaults. *shown* is the median length of the optical flow within the clip, leaving out a border of
16 pixels. Filters by which defaults were chosen are not drawn.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import c3dvis
from c3dvis.maximize.texture_motion.flow import flow
from c3dvis.networks.compute.device import configure
from c3dvis.networks.compute.network import Network, load_network

LAYERS = "Mixed_3b,Mixed_3c,Mixed_4b"
SPEEDS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Pixels per frame."""
DIRECTIONS = 8
TEXTURES = 3
CONTRAST = 44
MOVES = 2.0
"""Response at the preferred speed, in units of that to still textures, of a filter that looks for motion."""
LEAST_RESPONSE = 0.2
"""Of the most responsive filter's: filters that respond less say little about what they prefer."""
BORDER = 16
TUNED = {"Mixed_3b": (57, 152, 157, 180, 20), "Mixed_3c": (88, 100, 300, 400, 465), "Mixed_4b": (50, 415)}


def texture(seed: int, size: int) -> np.ndarray:
    """A periodic texture (size, size, 3) of amplitudes 1/f, mostly grey, at the contrast of default clips."""
    down, right = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    frequency = np.maximum(np.hypot(down, right), 1 / size)[..., np.newaxis]
    noise = np.random.default_rng(seed).normal(size=(size, size, 3))
    noise += 3 * noise[..., :1]
    values = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) / frequency, axes=(0, 1)).real
    return 128 + CONTRAST * values / values.std()


def moving(picture: np.ndarray, velocity: np.ndarray, size: tuple[int, int, int]) -> np.ndarray:
    """A clip (T, H, W, 3) uint8 of a periodic picture that moves by a velocity (down, right) in pixels per frame."""
    frames, height, width = size
    spectrum = np.fft.fft2(picture, axes=(0, 1))
    down, right = (np.fft.fftfreq(length) for length in picture.shape[:2])
    clip = []
    for frame in range(frames):
        cycles = (down[:, np.newaxis] * velocity[0] + right * velocity[1]) * (frame - frames / 2)
        moved = np.fft.ifft2(spectrum * np.exp(-2j * np.pi * cycles)[..., np.newaxis], axes=(0, 1)).real
        clip.append(moved[:height, :width])
    return np.clip(np.stack(clip) + 0.5, 0, 255).astype(np.uint8)


def responses(network: Network, layer: str) -> np.ndarray:
    """Mean response of every filter to textures at each speed in its best direction, still first, (speeds, filters)."""
    size = network.info.default_size
    textures = [texture(seed, 2 * max(size[1:])) for seed in range(TEXTURES)]
    angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    found = []
    for speed in (0.0, *SPEEDS):
        velocities = [speed * np.array([np.sin(angle), np.cos(angle)]) for angle in (angles if speed else angles[:1])]
        of_each = [
            np.mean([network.respond(moving(each, velocity, size), layer).mean((0, 1, 2)) for each in textures], axis=0)
            for velocity in velocities
        ]
        found.append(np.max(of_each, axis=0))
    return np.array(found)


def shown_speed(clip: np.ndarray) -> float:
    """Median speed within a clip (T, H, W, 3) uint8, in pixels per frame."""
    pictures = clip.astype(np.float32) / 255
    edge = min(BORDER, min(clip.shape[1:3]) // 4)
    velocity = flow(pictures[:-1], pictures[1:])[:, edge:-edge, edge:-edge]
    return float(np.median(np.hypot(velocity[..., 0], velocity[..., 1])))


def drawn(layer: str, found: np.ndarray, count: int, seed: int) -> list[tuple[int, float]]:
    """Filters and the speeds that they prefer: `count` that look for motion, then as many that prefer none."""
    speeds = np.array([0.0, *SPEEDS])
    best, highest = speeds[found.argmax(axis=0)], found.max(axis=0)
    live = highest >= LEAST_RESPONSE * highest.max()
    look = live & (highest >= MOVES * found[0]) & (best > 0) & (best < SPEEDS[-1])
    order = np.random.default_rng(seed).permutation(len(best))
    order = [index for index in order if index not in TUNED.get(layer, ())]
    return [
        (int(index), float(best[index]))
        for kind in (look, live & (best == 0))
        for index in [index for index in order if kind[index]][:count]
    ]


def main() -> None:
    """Draw, render, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", default=LAYERS, help="layers of I3D, with commas")
    parser.add_argument("--filters", type=int, default=3, help="how many of each kind to draw from each layer")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--iterations", type=int, help="of each render (default: its own)")
    parser.add_argument("-o", "--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    configure()
    network = load_network(c3dvis.RenderSpec().network)
    changes: dict[str, Any] = {} if arguments.iterations is None else {"iterations": arguments.iterations}
    print("| filter | prefers, px per frame | shown | rank | coherence |\n" + "|---" * 5 + "|")
    rows = []
    for layer in arguments.layers.split(","):
        for index, speed in drawn(layer, responses(network, layer), arguments.filters, arguments.seed):
            result = c3dvis.render(c3dvis.RenderSpec(layer=layer, filter=index, **changes))
            row = {"filter": f"{layer} {index}", "prefers": speed, "shown": shown_speed(result.clip), **result.metrics}
            rows.append(row)
            print(
                f"| {row['filter']} | {speed:g} | {row['shown']:.1f} | {row['selectivity'] or 0:g} | "
                f"{row['coherence']:.2f} |",
                flush=True,
            )
    for kind, of_kind in (
        ("look for motion", [row for row in rows if row["prefers"]]),
        ("prefer none", [row for row in rows if not row["prefers"]]),
    ):
        if of_kind:
            shown = statistics.median(row["shown"] for row in of_kind)
            wanted = statistics.median(row["prefers"] for row in of_kind)
            print(f"{len(of_kind)} filters that {kind}: prefer {wanted:.1f} px per frame, shown {shown:.1f} (medians)")
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
