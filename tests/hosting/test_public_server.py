"""A public server under visitors who do not keep to its pages: replayed messages, forged requests, wrong tokens."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from c3dvis.results import ResultStore
from tests.hosting.conftest import PublicServer
from tests.hosting.hostile_visitors import send, send_uploads
from tests.hosting.socket_client import Client, button_ids
from tests.processes import PATIENCE

NEW = "layer=Conv3d_2b_1x1&filter=3&iterations=16&frames=4&height=32&width=32"
"""A small render that the server has not stored."""
GUEST = "You see what is stored here. To render, sign in."


def pressed(client: Client, label: str, query: str) -> BackMsg:
    """The message of a press on a button that the client has before it."""
    message = BackMsg()
    message.rerun_script.query_string = query
    state = message.rerun_script.widget_states.widgets.add()
    state.id, state.trigger_value = button_ids(client.drawn)[label], True
    return message


def status(url: str, **headers: str) -> int:
    request = urllib.request.Request(url, headers={name.replace("_", "-"): text for name, text in headers.items()})
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=PATIENCE) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_replayed_messages_of_an_operator_start_nothing(public_server: PublicServer) -> None:
    """The press that starts a render for an operator, sent byte for byte by a visitor who has not signed in."""
    public_server.provider.reset("grace@lab.example")
    visitor = Client(public_server.url)
    visitor.open()
    visitor.run(NEW)
    operator = Client(public_server.url)
    operator.sign_in()
    operator.open()
    assert "Signed in as grace@lab.example (operator)" in operator.run(NEW)
    presses = [pressed(operator, label, NEW) for label in ("Render now", "Render")]
    for message in [*presses, *(pressed(visitor, label, NEW) for label in ("Render now", "Render"))]:
        assert "script_finished" in visitor.run(message=message)
    shown = visitor.run(page="status")
    assert "Nothing is waiting." in shown
    assert str(public_server.cache) not in shown
    assert "tcp://" not in shown
    drawn = operator.run(message=presses[0])
    assert "Only visitors" not in drawn, "the operator's own press does start it"
    while "Your render" in drawn or "Cancel" in button_ids(operator.drawn):
        drawn = operator.run(NEW)
    operator.close()
    visitor.close()


def test_a_press_after_signing_out_elsewhere_starts_nothing(public_server: PublicServer) -> None:
    """The button was drawn for a member, and is enabled: the act itself is refused."""
    other = NEW.replace("filter=3", "filter=4")
    first, second = Client(public_server.url), Client(public_server.url)
    first.sign_in()
    second.take_cookies(first)
    for member in (first, second):
        member.open()
        assert "Signed in as ada@lab.example" in member.run(other)
    first.run(message=pressed(first, "Sign out", other))
    text = second.run(message=pressed(second, "Render", other))
    assert "Only visitors who have signed in may start a render. You have signed out." in text
    assert "Nothing is waiting." in second.run(page="status")
    first.close()
    second.close()


def test_messages_that_no_page_sends_do_nothing(public_server: PublicServer) -> None:
    visitor = Client(public_server.url)
    visitor.open()
    visitor.run(page="status")
    for name in ("clear_cache", "set_run_on_save", "load_git_info", "debug_shutdown_runtime"):
        message = BackMsg()
        setattr(message, name, True)
        visitor.send(message.SerializeToString())
    visitor.send(b"\xff\xff")
    assert "script_finished" in visitor.run(page="status"), "the session goes on"
    assert not any(each.session_status_changed.run_on_save for each in visitor.drawn)
    visitor.close()
    assert public_server.log.count("A message that no page sends was dropped.") >= 5


def test_a_forged_host_and_a_page_of_another_site_are_refused(public_server: PublicServer) -> None:
    url = public_server.url
    assert status(url, Host="c3dvis.lab.example") == 200
    assert status(f"{url}/_stcore/health", Host="127.0.0.1:8501") == 200
    own = "c3dvis.lab.example"
    for host in ("evil.example", f"{own}.evil.example", f"{own}@evil.example", f"evil.{own}"):
        assert status(url, Host=host) == 400, host
        assert status(f"{url}/_stcore/health", Host=host) == 400, host
    socket = url.replace("http", "ws") + "/_stcore/stream"
    for origin in ("http://evil.example", "null", "http://c3dvis.lab.example.evil.example"):
        with pytest.raises(InvalidStatus) as caught, connect(socket, origin=origin, proxy=None):  # type: ignore[arg-type]
            pass
        assert caught.value.response.status_code == 403, origin


def test_hostile_files_of_an_operator_are_refused_in_a_sentence(public_server: PublicServer) -> None:
    public_server.provider.reset("grace@lab.example")
    operator = Client(public_server.url)
    operator.sign_in()
    assert send_uploads(operator, 4, seed=0) == []
    assert "Traceback" not in public_server.log


def test_a_guest_uploads_nothing(public_server: PublicServer) -> None:
    visitor = Client(public_server.url)
    visitor.open()
    visitor.run(page="method")
    message = BackMsg()
    message.file_urls_request.request_id = "1"
    message.file_urls_request.file_names.append("file")
    visitor.send(message.SerializeToString())
    while (answer := visitor.next_message()).WhichOneof("type") != "file_urls_response":
        pass
    request = urllib.request.Request(
        public_server.url + answer.file_urls_response.file_urls[0].upload_url, method="PUT",
        data=b'--x\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n\r\n1\r\n--x--\r\n',
        headers={
            "Content-Type": "multipart/form-data; boundary=x", "X-Xsrftoken": visitor.cookies["_streamlit_xsrf"],
            "Cookie": f"_streamlit_xsrf={visitor.cookies['_streamlit_xsrf']}",
        },
    )  # fmt: skip
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(request, timeout=PATIENCE)
    assert (caught.value.code, caught.value.read()) == (403, b"Only the operators of this server may upload a file.")
    visitor.close()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"email": "bob@town.example"}, "bob@town.example is not on this server's list."),
        ({"email": "eve@dept.example"}, "Signed in as eve@dept.example"),
        ({"verified": None}, "has not verified the address ada@lab.example"),
        ({"claims": {"aud": "another", "azp": "c3dvis-test"}}, "was issued for another program"),
        ({"claims": {"aud": "another"}}, GUEST),
        ({"claims": {"iss": "http://127.0.0.1:1"}}, GUEST),
        ({"claims": {"nonce": "another"}}, GUEST),
        ({"claims": {"exp": 1_600_000_000}}, GUEST),
        ({"forged": True}, GUEST),
    ],
)
def test_who_gets_in(public_server: PublicServer, changes: dict[str, Any], sentence: str) -> None:
    """With the sentence of a guest, the sign-in itself was refused."""
    public_server.provider.reset(**changes)
    visitor = Client(public_server.url)
    visitor.sign_in()
    visitor.open()
    text = visitor.run(page="method")
    visitor.close()
    assert sentence in text
    assert ("Signed in as" in text) == sentence.startswith("Signed in")


def test_hostile_links_and_values_show_nothing_and_start_nothing(public_server: PublicServer) -> None:
    assert send(public_server.url, 12, seed=7) == []


def test_nobody_becomes_another_by_an_altered_cookie(public_server: PublicServer) -> None:
    visitor = Client(public_server.url)
    visitor.sign_in()
    altered = visitor.cookies["_streamlit_user"]
    place = len(altered) - 10  # within the signature; of its last character not every bit counts
    changed = altered[:place] + ("A" if altered[place] != "A" else "B") + altered[place + 1 :]
    for value in (changed, json.dumps({"email": "grace@lab.example"})):
        visitor.set_cookie("_streamlit_user", value)
        visitor.open()
        assert GUEST in visitor.run(page="method")
        visitor.close()


def test_the_pages_keep_their_policy_and_nothing_of_a_traceback(public_server: PublicServer) -> None:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(public_server.url) as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with ResultStore(public_server.cache) as results:
        assert results.stats().count >= 1
