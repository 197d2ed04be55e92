"""The responses of a network to a clip as a table."""

import csv
import io

from c3dvis.probe.values import ProbeResult


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
