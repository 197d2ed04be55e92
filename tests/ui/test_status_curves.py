"""The curves of the Status page: what they show of the server's samples."""

import re
import xml.etree.ElementTree as ET

from c3dvis.ui.shared.server_history import Sample
from c3dvis.ui.status.curves import curves, svg


def test_each_curve_says_its_least_greatest_and_latest_value() -> None:
    samples = [Sample(10.0 * i, int(200e6) - i, int(1e9), [0, 3, 1][i], [0, 0, 2][i]) for i in range(3)]
    dashboard, workers, waiting, pace = curves(samples)
    assert dashboard.texts == ("200.0 MB", "200.0 MB", "200.0 MB")
    assert workers.texts[2] == "1.00 GB"
    assert waiting.texts == ("0", "3", "1")
    assert pace.points == [(0.0, 0.0), (10.0, 0.0), (20.0, 6.0)], "two renders within 20 s are six in a minute"
    assert len(curves(samples[:1])) == 4


def test_a_curve_is_highest_at_its_greatest_value() -> None:
    document = ET.fromstring(svg([(0.0, 5.0), (10.0, 7.0), (20.0, 6.0)]))
    (line,) = document
    places = [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
    (x0, low), (x1, high), (x2, between) = places
    assert x0 < x1 < x2
    assert high < between < low < 44, "an SVG counts from the top; the lowest value is not 0"
    assert not re.search("nan|inf", svg([(1.0, 2.0)]))
