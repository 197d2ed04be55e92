"""The table of responses, with layers that have no scale on noise, and the file of feature maps."""

import csv
import io
from typing import Any

import h5py
import numpy as np

from c3dvis.probe import FilterResponse, ProbeResult
from c3dvis.probe.tables import feature_maps_hdf5, responses_csv


def test_every_filter_has_a_row_also_of_a_layer_without_a_scale() -> None:
    means = {"first": np.array([0.5, 2], np.float32), "classes": np.array([7], np.float32)}
    standardised = {"first": np.array([-1.25, 3], np.float32)}
    result = ProbeResult("a network", (4, 8, 8), (), "none", {}, means, standardised)
    rows = list(csv.DictReader(io.StringIO(responses_csv(result).decode())))
    assert [(row["network"], row["layer"], row["filter"]) for row in rows] == [
        ("a network", "first", "0"), ("a network", "first", "1"), ("a network", "classes", "0"),
    ]  # fmt: skip
    assert [float(row["mean"]) for row in rows] == [0.5, 2, 7]
    assert [row["standardised"] for row in rows] == ["-1.25", "3", ""]


def test_feature_maps_of_a_block_and_of_its_branch_stand_in_one_file() -> None:
    random = np.random.default_rng(0)
    clip = random.integers(0, 256, (4, 8, 8, 3), np.uint8)
    maps = {
        layer: [
            (FilterResponse(layer, n, 0.5 * n, 2.0 * n, n - 2.5), random.random((2, 3, 3), np.float32)) for n in filters
        ]
        for layer, filters in {"block/branch": (7, 1), "block": (3,)}.items()
    }
    with h5py.File(io.BytesIO(feature_maps_hdf5("a network", "a.mp4", clip, maps, (0, 0.04))), "r") as opened:
        file: Any = opened
        assert (file.attrs["network"], file.attrs["source"], *file.attrs["seconds"]) == ("a network", "a.mp4", 0, 0.04)
        np.testing.assert_array_equal(file["clip"], clip)
        for layer, filters in maps.items():
            group = file[f"layers/{layer}"]
            assert list(group["filters"]) == [each.filter for each, _ in filters]
            assert list(group["standardised"]) == [each.standardised for each, _ in filters]
            np.testing.assert_array_equal(group["maps"], [values for _, values in filters])
