"""What comes from outside reaches Streamlit as plain text: every field of every link, names of networks and files."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from c3dvis.networks import registry, user_networks
from c3dvis.networks.graph.architecture import Architecture
from c3dvis.networks.graph.base_operation import RELU, Operation
from c3dvis.networks.graph.input_domain import InputDomain
from c3dvis.networks.graph.operations import Conv
from c3dvis.networks.network_info import NetworkInfo
from c3dvis.networks.weights import obtain
from c3dvis.spec import FIELDS
from c3dvis.ui.shared.plain_text import plain
from tests.networks.layouts import convolutions
from tests.ui.hostile_text import PAYLOADS

OWN_PARAMETERS = {
    "explore": ("tab", "embed", "view", "pin"), "gallery": ("page", "sort", "show", "pin"),
    "compare": ("sweep", "values", "of"), "network": ("pin",), "status": ("pin",), "method": ("pin",),
}  # fmt: skip

NOT_MARKDOWN = {
    "Html": {"body"}, "Code": {"code_text"}, "BidiComponent": {"json", "bytes"}, "Selectbox": {"options", "raw_value"},
    "TextInput": {"default", "value"}, "Slider": {"options"},
}  # fmt: skip
"""Fields of Streamlit's messages that it shows as they are, or as HTML that is escaped."""

NO_TEXT = {"id", "element_id", "form_id", "component_name", "page_script_hash", "css", "language", "key", "url"}

ACTIVE = re.compile(r"[\\`*\[\]<&$~@]|:\S|www\.|(?<![^\W_])_|_(?![^\W_])")


def markdown(page: AppTest) -> Iterator[str]:
    """Every text of a page that Streamlit reads as Markdown."""

    def nodes(node: Any) -> Iterator[Message]:
        if isinstance(getattr(node, "proto", None), Message):
            yield node.proto
        for child in getattr(node, "children", {}).values():
            yield from nodes(child)

    def texts(message: Message) -> Iterator[str]:
        skipped = NOT_MARKDOWN.get(message.DESCRIPTOR.name, set()) | NO_TEXT
        for field, value in message.ListFields():
            for one in value if field.is_repeated else [value]:
                if isinstance(one, Message):
                    yield from texts(one)
                elif isinstance(one, str) and field.name not in skipped:
                    yield one

    for root in (page.main, page.sidebar, page._tree[2] if 2 in page._tree.children else None):
        if root:
            for message in nodes(root):
                yield from texts(message)


def live_words(texts: Iterable[str]) -> list[str]:
    """Words from outside (each payload contains `zq`) that Streamlit would not show as they are."""
    found = []
    for text in texts:
        literal = re.sub(r"\\[^a-zA-Z0-9\s]|(`+)(?!`).*?(?<!`)\1(?!`)", "", text)
        found += [text for word in literal.split() if "zq" in word and ACTIVE.search(word)]
    return found


def open_page(name: str, query: dict[str, Any]) -> AppTest:
    page = AppTest.from_string(f"from c3dvis.ui.{name} import page\npage.page()", default_timeout=600)
    for parameter, value in query.items():
        page.query_params[parameter] = value
    page.run()
    assert not page.exception
    return page


def test_the_check_of_these_tests_tells_plain_from_live() -> None:
    live = [text for text in PAYLOADS if live_words([text])]
    kinds = ("![zq](", "[zq](", "<https:", "https:", "www.", "zq@", "<img", ":red[zq]", "$zq", "*zq*", "_zq_", "~zq~")
    assert [kind for kind in kinds if not any(text.startswith(kind) for text in live)] == []
    assert live_words(map(plain, PAYLOADS)) == []


@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize("name", OWN_PARAMETERS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=some.data())
def test_values_of_a_link(name: str, data: some.DataObject) -> None:
    payload = some.sampled_from(PAYLOADS)
    fields = data.draw(some.lists(some.sampled_from(list(FIELDS)), min_size=1, max_size=8, unique=True))
    query: dict[str, Any] = {field: data.draw(payload) for field in fields}
    if name == "compare":
        query = {"pin": [urlencode(query), urlencode({field: data.draw(payload) for field in fields})]}
    query |= {parameter: data.draw(payload) for parameter in OWN_PARAMETERS[name]}
    texts = list(markdown(open_page(name, query)))
    assert texts
    assert live_words(texts) == []


def hostile_network(folder: Path) -> str:
    """Adds a network, without weights, whose title, licence, source and layers have such names; returns its name."""
    names = [text for text in PAYLOADS if text.isprintable() and "zq" in text]
    operations: list[Operation] = []
    source = "input"
    for name in names:
        operations.append(Conv(name, (source,), 4, (3, 3, 3), activation=RELU))
        source = name
    architecture = Architecture("zq", tuple(operations))
    domain = InputDomain((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))
    info = NetworkInfo("zq", names[0], names[1], " ".join(names), architecture, domain, (8, 32, 32), "zq.h5", None)
    (folder / "zq").mkdir(parents=True)
    (folder / "zq" / "network.json").write_text(json.dumps(user_networks.to_dict(info)))
    return "zq"


@pytest.mark.parametrize("name", OWN_PARAMETERS)
def test_names_of_a_network(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path))
    network = hostile_network(tmp_path)
    layers = registry.describe(network).layers
    for layer in layers[:: len(layers) // 4]:
        spec = {"network": network, "layer": layer}
        query = {"pin": [urlencode(spec), urlencode(spec | {"seed": "1"})]} if name == "compare" else spec
        page = open_page(name, query)
        if name == "network":
            page.selectbox(key="network page").select(network).run()
        texts = list(markdown(page))
        assert live_words(texts) == []
        assert name in ("status", "method") or any("zq" in text for text in texts)


@pytest.mark.parametrize("file", ["![zq](http:zq.invalid)", ":red[zq].h5", "zq@zq.invalid", "_zq_ `zq` $zq$"])
def test_names_of_a_weights_file(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C3DVIS_WEIGHTS_DIR", str(tmp_path / "weights"))
    obtain.install(registry.describe("c3d-sports1m"), convolutions(tmp_path / "mine.h5"), name=file)
    page = open_page("network", {})
    page.selectbox(key="network page").select("c3d-sports1m").run()
    texts = list(markdown(page))
    assert live_words(texts) == []
    assert any("zq" in text for text in texts)
