"""The table of responses, with layers that have no scale on noise."""

import csv
import io

import numpy as np

from c3dvis.probe import ProbeResult
from c3dvis.probe.tables import responses_csv


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
