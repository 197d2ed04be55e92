"""Every act of a visitor passes through the methods of `ServerResources` that ask whether the visitor may."""

import ast
import inspect
from pathlib import Path

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from c3dvis.access import sign_in
from c3dvis.access.messages import LARGEST_MESSAGE, is_taken
from c3dvis.access.sign_in import current_visitor, may_upload, open_for_uploads
from c3dvis.errors import NotAllowed
from c3dvis.networks import registry
from c3dvis.server_settings import Access, ServerSettings
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared.server_resources import ServerResources
from tests.ui.conftest import made_result

UI = Path(__file__).resolve().parents[2] / "c3dvis" / "ui"
GUARDED = UI / "shared" / "server_resources.py"
CHANGING = {
    "submit", "take_apart", "cancel", "obtain", "install", "fetch", "file_uploader", "put", "delete", "clear", "pin",
    "unpin", "probe", "add_network", "remove",
}  # fmt: skip
"""Names of functions with which something shared is changed."""
ELSEWHERE = {
    ("shared/upload.py", "st.file_uploader"),
    ("shared/weights_fetch.py", "obtain.obtain"),  # started by ServerResources alone
}


def calls(path: Path) -> set[str]:
    """What a module calls as `a.b(…)` that changes something shared, but for methods of `resources` and of sessions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
            owner = ast.unparse(node.func.value)
            if owner not in (
                "resources",
                "pins",
                "state",
                "comparison",
                "session",
                "st.session_state",
                "followed_renders",
            ):
                found.add(f"{owner}.{node.func.attr}")
    return found


def test_pages_change_what_is_shared_through_the_server_resources_alone() -> None:
    used = {
        (path.relative_to(UI).as_posix(), call) for path in UI.rglob("*.py") if path != GUARDED for call in calls(path)
    }
    assert used - ELSEWHERE == set()
    assert used >= ELSEWHERE, "what is allowed is there"


def test_each_act_asks_before_it_does_anything() -> None:
    """The first statement with which a method changes something is the question whether the visitor may."""
    for node in ast.walk(ast.parse(GUARDED.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name not in ("close", "__init__"):
            text = ast.unparse(node)
            changes = [text.find(f".{name}(") for name in CHANGING if f".{name}(" in text]
            if changes:
                asked = [text.find(ask) for ask in ("require_current(", "may_cancel(") if ask in text]
                assert asked, f"{node.name} does not ask"
                assert min(asked) < min(changes), f"{node.name} asks too late"


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mode *public* in this process, where nobody has signed in."""
    settings = ServerSettings(mode="public", access=Access(members=["lab.example"], operators=["grace@lab.example"]))
    monkeypatch.setattr(sign_in, "server_settings", lambda: settings)


def test_a_guest_can_do_nothing_even_with_the_resources_in_hand(public: None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path))
    assert current_visitor().role == "guest"
    resources = ServerResources()
    try:
        info = registry.describe("i3d-kinetics400")
        refused = "Only visitors who have signed in may start a render."
        assert resources.submit([RenderSpec()]) == refused
        assert resources.take_apart(made_result(RenderSpec())) == refused
        assert resources.queue.jobs() == []
        for act in (
            lambda: resources.start_weights_fetch("c3d-sports1m"),
            lambda: resources.install_weights(info, tmp_path / "file", "file"),
            lambda: resources.check_weights(info),
            lambda: resources.add_network("mine", tmp_path / "file", None, ((0,), (1,))),
            open_for_uploads,
        ):
            with pytest.raises(NotAllowed, match="Only the operators of this server may "):
                act()
        assert resources.weights_fetch("c3d-sports1m") is None
        assert not may_upload("a session")
        job = resources.queue.submit(RenderSpec(), background=True)
        assert not resources.cancel(job, None)
        assert job.state != "cancelled"
    finally:
        resources.close()


def test_a_member_cancels_what_nobody_else_asked_for(public: None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("C3DVIS_CACHE_DIR", str(tmp_path))

    def visit_as(address: str) -> None:
        visitor = sign_in.visitor_of(address, ["lab.example"], ["grace@lab.example"])
        for module in (sign_in, inspect.getmodule(ServerResources)):
            monkeypatch.setattr(module, "current_visitor", lambda: visitor)

    def job_of(seed: int):
        spec = RenderSpec(seed=seed)
        assert resources.submit([spec]) is None
        job = resources.job(spec)
        assert job
        return job

    resources = ServerResources()
    try:
        visit_as("ada@lab.example")
        own, shared, third = job_of(1), job_of(2), job_of(3)
        visit_as("bob@lab.example")
        job_of(2)
        assert not resources.cancel(own, None), "another's"
        visit_as("ada@lab.example")
        assert not resources.cancel(shared, None), "another asked for it too"
        assert resources.cancel(own, None)
        visit_as("grace@lab.example")
        assert resources.cancel(third, None), "an operator cancels any"
        assert [job.state for job in (own, third)] == ["cancelled", "cancelled"]
        assert shared.state in ("queued", "running")
    finally:
        resources.close()


def test_in_local_mode_everybody_may_do_everything() -> None:
    assert current_visitor().role == "operator"
    assert may_upload("any session")


def messages() -> dict[str, BackMsg]:
    """A message of each kind that Streamlit knows."""
    made = {}
    for field in BackMsg.DESCRIPTOR.oneofs_by_name["type"].fields:
        message = BackMsg()
        if field.message_type:
            getattr(message, field.name).SetInParent()
        else:
            setattr(message, field.name, True)
        made[field.name] = message
    for payload in ("deferred_file", "install_skills", "dismiss_skills_nudge", "dataframe_chunk"):
        message = BackMsg()
        getattr(message.backend_operation_request, payload).SetInParent()
        made[payload] = message
    return made


def test_only_the_messages_that_pages_send_are_taken() -> None:
    taken = {name for name, message in messages().items() if is_taken(message.SerializeToString())}
    assert taken == {
        "rerun_script", "stop_script", "app_heartbeat", "file_urls_request", "deferred_file", "dataframe_chunk",
    }  # fmt: skip
    assert not is_taken(None)
    assert not is_taken(b"\xff\xff\xff")
    large = BackMsg()
    large.rerun_script.query_string = "x" * LARGEST_MESSAGE
    assert not is_taken(large.SerializeToString())
