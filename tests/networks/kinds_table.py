"""Every kind of network and file that the tests try, with what came of it, as tables for docs/networks.md.

    python -m tests.networks.kinds_table

Each network is made and saved by its framework, imported, and compared: the largest difference of a layer from the
framework's answer, relative, stands in the table.
"""

import importlib
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from c3dvis.errors import WeightsDamaged
from c3dvis.networks.importers import model_file
from tests.networks import test_everyday_layers, test_import_kinds, test_onnx, test_other_formats
from tests.networks.keras_models import FORMS, randomised, save
from tests.networks.onnx_models import assert_proved
from tests.networks.test_import_kinds import imported

EVERYDAY_FORMS = ("keras 3 .keras", "keras 2 .h5")


def kinds() -> dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]]:
    """Each kind of Keras model in a few words: what makes it, and the forms in which it is saved."""
    found = [(build, tuple(FORMS)) for build in [*test_import_kinds.KINDS, test_import_kinds.operators]]
    found += [(build, EVERYDAY_FORMS) for build in test_everyday_layers.KINDS]
    words = ((build.__doc__ or build.__name__.replace("_", " ")).splitlines()[0].rstrip(".") for build, _ in found)
    return dict(zip(words, found, strict=True))


def keras_rows() -> Iterator[tuple[str, ...]]:
    """(kind, layers, forms in which it is proved, largest difference, what came of the others)."""
    for words, (build, forms) in kinds().items():
        apart, proved, others, count = 0.0, [], [], 0
        for form in forms:
            library, files = FORMS[form]
            with tempfile.TemporaryDirectory() as folder:
                model = randomised(build(importlib.import_module(library)))
                try:
                    network, report = imported([save(model, Path(folder) / file) for file in files], Path(folder))
                except WeightsDamaged as error:
                    others.append(f"{form}: refused, {error.message}".replace(f"{folder}/", ""))
                    continue
            count, proof = len(network.layers), report["proof"]
            if proof["is_proved"]:
                proved.append(form)
                apart = max(apart, float(re.findall(r"within ([0-9.e-]+) relative", proof["detail"])[0]))
            else:
                others.append(f"{form}: not proved, {proof['detail'].partition('. ')[0]} …")
        in_forms = "all six" if len(proved) == len(FORMS) else ", ".join(proved)
        yield words, str(count), in_forms, f"{apart:.0e}" if apart else "0", "; ".join(others)


def onnx_rows() -> Iterator[tuple[str, ...]]:
    """(graph, layers, outcome)."""
    for name in test_onnx.LAYERS:
        with tempfile.TemporaryDirectory() as folder:
            _, network = assert_proved(test_onnx.exported(name, Path(folder)))
            yield name, str(len(network.layers)), "proved"


def file_rows() -> Iterator[tuple[str, ...]]:
    """(file, what is said)."""
    for name, (write, _) in test_other_formats.FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            write(path)
            try:
                model_file.read(path, None, Path(folder))
            except WeightsDamaged as error:
                yield name, error.message.replace(f"{folder}/", "").replace("|", "\\|")


def lines() -> Iterator[str]:
    """The lines of all tables."""
    for heads, rows in (
        (("Keras model", "layers", "proved in the forms", "apart", "others"), keras_rows()),
        (("ONNX graph of an exporter", "layers", "outcome"), onnx_rows()),
        (("file", "refused with"), file_rows()),
    ):
        yield f"| {' | '.join(heads)} |"
        yield f"|{'---|' * len(heads)}"
        for row in rows:
            yield f"| {' | '.join(row)} |"
        yield ""


if __name__ == "__main__":
    for line in lines():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
