"""Links and values of controls that no honest visitor sends, to every page of a public server.

`python -m tests.hosting.hostile_visitors 5000` sends as many to a server of its own, and a tenth as many hostile files
as an operator; tests send a few.
"""

import os
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.hosting.socket_client import Client

PAGES = ("", "gallery", "compare", "network", "status", "method")
MARK = "c3dvis-mark"
TEXTS = (
    f"<img src=x onerror=alert('{MARK}')>", f"<script>{MARK}</script>", f"[{MARK}](javascript:alert(1))",
    f"![{MARK}](http://evil.example/x)", "../../../etc/passwd", "..\\..\\x", "\x00", "\ud7ff", "𝕏" * 50, "-1", "1e309",
    "nan", "inf", "9" * 400, "", " ", "None", "true", "[]", "{}", "%s%n", "' OR 1=1 --", "${7*7}", "{{7*7}}",
    "a" * 3000, "filter:1+filter:2", "0,1,2", "1.5", "Mixed_3c", "i3d-kinetics400", "c3d-sports1m",
)  # fmt: skip
JSON = (f'"{MARK}"', "{", "[1, 2]", '{"chosen": {"a": 1}}', "null", '{"chosen": "x"}')
FIELDS = (
    "network", "layer", "filter", "objective", "position", "engine", "preset", "frames", "height", "width", "seed",
    "iterations", "lp_weight", "tv_space_weight", "contrast", "jitter_pixels", "parametrization", "view", "tab", "page",
    "sort", "show", "pin", "sweep", "of", "values", "embed", "embed_options", "start", "strength",
)  # fmt: skip


def hostile_query(chance: random.Random) -> str:
    """The query of a link, with some fields that are known and some that are not."""
    names = chance.sample([*FIELDS, "unknown", MARK], chance.randint(0, 5))
    return urlencode([(name, chance.choice(TEXTS)) for name in names], errors="replace")


def hostile_state(chance: random.Random, name: str) -> WidgetState:
    """A value of a control, of any kind."""
    state, text, number = WidgetState(id=name), chance.choice(TEXTS), chance.choice([-1, 0, 1, 2**62, -(2**62)])
    kind = chance.choice(["trigger", "bool", "int", "double", "string", "strings", "doubles", "json", "bytes", "text"])
    if kind in ("trigger", "bool"):
        setattr(state, f"{kind}_value", True)
    elif kind == "int":
        state.int_value = number
    elif kind == "double":
        state.double_value = chance.choice([float("nan"), float("inf"), -1e300, 0.5])
    elif kind == "string":
        state.string_value = text
    elif kind == "strings":
        state.string_array_value.data.extend([text, text])
    elif kind == "doubles":
        state.double_array_value.data.extend([float(number), float("nan")])
    elif kind == "json":
        state.json_value = chance.choice(
            [f'"{MARK}"', "{", "[1, 2]", '{"chosen": {"a": 1}}', "null", '{"chosen": "x"}']
        )
    elif kind == "bytes":
        state.bytes_value = text.encode(errors="replace")
    else:
        state.string_trigger_value.data = text
    return state


def widget_names(drawn: list[ForwardMsg]) -> list[str]:
    """The name of each control that was drawn."""
    return sorted(set(re.findall(r'\bid: "(\$\$[^"]*)"', "\n".join(map(str, drawn)))))


def hostile_message(chance: random.Random, names: list[str]) -> BackMsg:
    """One message of a visitor: a page, a link, and values of a few of the controls before it."""
    message = BackMsg()
    run = message.rerun_script
    run.query_string, run.page_name = hostile_query(chance), chance.choice(PAGES)
    run.is_history_navigation = chance.random() < 0.5
    for name in chance.sample(names, min(len(names), chance.randint(0, 6))):
        run.widget_states.widgets.append(hostile_state(chance, name))
    return message


def is_stopped(drawn: list[ForwardMsg]) -> bool:
    """Whether Streamlit itself has ended the run, over a value of a kind that the control does not have.

    The visitor reads that there was an error, and nothing of it; only the visitor's own session stays unusable.
    """
    errors = [m.delta.new_element.exception for m in drawn if m.delta.new_element.WhichOneof("type") == "exception"]
    return bool(errors) and all(not each.type and not each.stack_trace for each in errors)


def problems(drawn: list[ForwardMsg]) -> list[str]:
    """What a page must never show a visitor."""
    found = []
    for message in drawn:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        text = str(element) if kind else ""
        if kind == "exception" and (element.exception.type or element.exception.stack_trace):
            found.append(f"an exception: {text}")
        if "Traceback" in text or "met an unexpected" in text:
            found.append(text[:400])
        if kind == "html" and re.search(rf"<(img|script)[^>]*{MARK}|<script>{MARK}", element.html.body):
            found.append(f"markup of a visitor: {element.html.body[:300]}")
    return found


def opened(url: str) -> Client:
    visitor = Client(url)
    visitor.open()
    visitor.run(page="method")
    return visitor


def send(url: str, count: int, seed: int) -> list[str]:
    """Send hostile messages as a visitor who has not signed in; returns what went wrong, with what caused it."""
    chance, wrong, visitor = random.Random(seed), [], opened(url)
    for _ in range(count):
        message = hostile_message(chance, widget_names(visitor.drawn))
        visitor.run(message=message)
        wrong += [f"{problem}\nafter {str(message)[:600]}" for problem in problems(visitor.drawn)]
        if is_stopped(visitor.drawn):
            visitor.close()
            visitor = opened(url)
    visitor.close()
    visitor = opened(url)
    if "Nothing is waiting." not in visitor.run(page="status"):
        wrong.append("a render waits")
    visitor.close()
    return wrong


def hostile_file(chance: random.Random) -> bytes:
    """What claims to be weights: a header of a format that is read, and anything behind it."""
    heads = (
        b"\x89HDF\r\n\x1a\n",
        b"PK\x03\x04",
        b"\x80\x02cos\nsystem\n(S'touch c3dvis-mark'\ntR.",
        b"\x93NUMPY\x01\x00",
        b"",
    )
    return chance.choice(heads) + chance.randbytes(chance.choice([0, 10, 5000]))


def send_uploads(operator: Client, count: int, seed: int) -> list[str]:
    """Upload hostile files as weights, as an operator who has signed in; returns what went wrong."""
    chance, wrong = random.Random(seed), []
    operator.open()
    operator.run("network=c3d-sports1m", "network")
    accept = _element(operator.drawn, "checkbox").id
    states = [WidgetState(id=accept, bool_value=True)]
    operator.run(message=_with_states(states))
    for number in range(count):
        uploader = _element(operator.drawn, "file_uploader").id
        data, name = hostile_file(chance), chance.choice(TEXTS)[:300]
        request = BackMsg()
        request.file_urls_request.request_id = str(number)
        request.file_urls_request.file_names.append(name)
        operator.send(request.SerializeToString())
        while (answer := operator.next_message()).WhichOneof("type") != "file_urls_response":
            pass
        urls = answer.file_urls_response.file_urls[0]
        operator.put_file(urls.upload_url, name, data)
        state = WidgetState(id=uploader)
        state.file_uploader_state_value.uploaded_file_info.add(
            file_id=urls.file_id, name=name, size=len(data), file_urls=urls
        )
        operator.run(message=_with_states([*states, state]))
        wrong += problems(operator.drawn)
        if _element(operator.drawn, "alert").format != Alert.ERROR:
            wrong.append(f"no refusal of {name!r}, {data[:40]!r}")
    operator.close()
    return wrong


def _element(drawn: list[ForwardMsg], kind: str) -> Any:
    """The last element of a kind that was drawn."""
    elements = (each.delta.new_element for each in drawn)
    return [getattr(element, kind) for element in elements if element.WhichOneof("type") == kind][-1]


def _with_states(states: list[WidgetState]) -> BackMsg:
    message = BackMsg()
    message.rerun_script.query_string, message.rerun_script.page_name = "network=c3d-sports1m", "network"
    message.rerun_script.widget_states.widgets.extend(states)
    return message


def _main(count: int) -> int:
    from tests.hosting.conftest import running_public_server

    weights = Path(os.environ.get("C3DVIS_WEIGHTS_DIR", "cache/weights")).resolve()
    with tempfile.TemporaryDirectory() as folder, running_public_server(Path(folder), weights) as server:
        wrong = [problem for seed in range(0, count, 50) for problem in send(server.url, min(50, count - seed), seed)]
        server.provider.reset("grace@lab.example")
        operator = Client(server.url)
        operator.sign_in()
        wrong += send_uploads(operator, count // 10, 0)
    print("\n\n".join(wrong), f"{count} messages, {count // 10} files, {len(wrong)} problems", sep="\n")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1])))
