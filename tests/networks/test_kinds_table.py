"""The table of kinds in docs/networks.md has all of them."""

from pathlib import Path

from tests.networks.kinds_table import file_rows, kinds
from tests.networks.test_onnx import LAYERS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "networks.md"


def test_the_document_has_a_row_for_every_kind() -> None:
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in DOCUMENT.read_text().splitlines() if "|" in line}
    assert kinds().keys() <= rows.keys()
    assert LAYERS.keys() <= rows.keys()
    for name, (count, _) in LAYERS.items():
        assert rows[name] == f"| {name} | {count} | proved |"
    for name, said in file_rows():
        assert rows[name] == f"| {name} | {said} |"
