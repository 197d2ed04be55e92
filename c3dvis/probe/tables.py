"""The responses of a network to a clip as a table, and its feature maps as a file."""

import csv
import io
from collections.abc import Mapping, Sequence

import h5py
import numpy as np

import c3dvis
from c3dvis.probe.values import FilterResponse, ProbeResult


def responses_csv(result: ProbeResult) -> bytes:
    """A CSV with a row for each filter of each layer; a layer without a scale on noise has no standardised ones."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("network", "layer", "filter", "mean", "standardised"))
    for layer, means in result.means.items():
        scores = result.standardised.get(layer)
        for number, mean in enumerate(means):
            score = "" if scores is None else f"{scores[number]:.6g}"
            writer.writerow((result.network, layer, number, f"{mean:.6g}", score))
    return text.getvalue().encode()


def feature_maps_hdf5(
    network: str,
    source: str,
    clip: np.ndarray,
    maps: Mapping[str, Sequence[tuple[FilterResponse, np.ndarray]]],
    seconds: Sequence[float] = (),
) -> bytes:
    """An HDF5 file: `clip`, and of each layer a group `layers/<layer>` with `filters` (n,), `standardised` (n,) and
    `maps` (n, t, h, w), in which the layer's own frames and pixels count.

    Args:
        network: its name, an attribute.
        source: name of the clip's file, an attribute.
        clip: (T, H, W, C) uint8.
        maps: by layer, the response of each filter with its feature map (t, h, w).
        seconds: of each frame in the file, an attribute; none where the file has no clock.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update(network=network, source=source, seconds=np.array(seconds), c3dvis=c3dvis.__version__)
        file.create_dataset("clip", data=clip, compression="gzip", compression_opts=4)
        for layer, filters in maps.items():
            group = file.require_group(f"layers/{layer}")  # a branch of a block lies in its group
            group.create_dataset("filters", data=[response.filter for response, _ in filters])
            group.create_dataset("standardised", data=[response.standardised for response, _ in filters])
            values = np.stack([values for _, values in filters])
            group.create_dataset("maps", data=values, compression="gzip", compression_opts=4)
    return buffer.getvalue()
