"""Fetching from an address: from servers that stall, cut off, send a page, redirect, give ranges or refuse them."""

import filecmp
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from c3dvis.errors import Cancelled, FetchFailed, WeightsDamaged
from c3dvis.files import sha256_of
from c3dvis.networks.weights.fetch.address import fetch_address
from c3dvis.networks.weights.fetch.download import ATTEMPTS
from c3dvis.networks.weights.fetch.http_settings import HttpSettings
from tests.networks.address_server import AddressServer
from tests.processes import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
SIZE = 3_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(np.random.default_rng(5).bytes(SIZE))
    return path


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def copy(source: Path, fresh: Path) -> None:
    shutil.copyfile(source, fresh)


def take(server: AddressServer, folder: Path, make: Callable[[Path, Path], None] = copy, **how: object) -> Path:
    """Fetches; a server that will stall is given up after a second, a busy machine is waited for."""
    settings = HttpSettings(timeout=1.0 if "stall" in server.behaviours else PATIENCE)
    return fetch_address(server.url, folder / "net" / "net.h5", make, settings=settings, **how)  # type: ignore[arg-type]


def same(one: Path, other: Path) -> bool:
    """Whether two files have the same bytes; pytest's own account of where megabytes differ takes minutes."""
    return filecmp.cmp(one, other, shallow=False)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("behaviours", ["good", "redirect good", "dribble", "busy good", "cut good", "stall good"])
def test_a_server_that_gives_the_file_in_the_end(behaviours: str, ranges: bool, file: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with AddressServer(file, behaviours, ranges) as server:
        path = take(server, tmp_path / "to", on_progress=lambda *step: told.append(step), sha256=sha256_of(file))
        assert same(path, file)
        assert left_in(tmp_path / "to") == ["net.h5"]
        assert told[0] == (0, SIZE if behaviours != "dribble" else 0)
        assert told[-1][0] == SIZE
        asked = [asked for _, asked in server.requests]
        if behaviours in ("cut good", "stall good"):
            assert asked == [None, f"bytes={SIZE // 3}-" if ranges else None]


@pytest.mark.parametrize(
    ("behaviours", "said", "requests"),
    [
        ("page", "it sent a web page in place of the file", 1),
        ("missing", "the server answered 404", 1),
        ("busy", "the server answered 503", ATTEMPTS),
        ("local", "the server answered 302", 1),
    ],
)
def test_a_server_that_does_not_give_it(behaviours: str, said: str, requests: int, file: Path, tmp_path: Path) -> None:
    with AddressServer(file, behaviours) as server:
        with pytest.raises(FetchFailed, match=rf"127\.0\.0\.1.* could not be fetched: .*{said}.*--file") as caught:
            take(server, tmp_path / "to")
        assert len(server.requests) == requests
    assert "\n" not in str(caught.value)
    assert left_in(tmp_path / "to") == []


@pytest.mark.parametrize("behaviour", ["cut", "stall"])
def test_a_server_without_ranges_that_never_gives_all(behaviour: str, file: Path, tmp_path: Path) -> None:
    said = "broke off" if behaviour == "cut" else "the connection stalled"
    with AddressServer(file, behaviour, ranges=False) as server:
        with pytest.raises(FetchFailed, match=rf"{said} after 1,000,000 of 3,000,000 bytes"):
            take(server, tmp_path / "to")
        assert len(server.requests) == ATTEMPTS


def test_ranges_gain_ground_however_often_it_breaks_off(file: Path, tmp_path: Path) -> None:
    with AddressServer(file, " ".join(["cut"] * 8) + " good") as server:
        assert same(take(server, tmp_path / "to"), file)
        starts = [int((asked or "bytes=0-")[6:-1]) for _, asked in server.requests]
        assert len(starts) == 9
        assert starts == sorted(set(starts))


def test_a_wrong_range_is_not_believed(file: Path, tmp_path: Path) -> None:
    with AddressServer(file) as server:
        server.behaviours = ["cut", "wrong range", "good"]
        assert same(take(server, tmp_path / "to"), file)


def test_a_file_that_changes_meanwhile_is_taken_anew(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(np.random.default_rng(6).bytes(SIZE + 5))
    with AddressServer(file, "cut good", later=other) as server:
        assert same(take(server, tmp_path / "to"), other)


def test_another_file_than_promised_is_refused(file: Path, tmp_path: Path) -> None:
    with AddressServer(file) as server:
        with pytest.raises(FetchFailed, match=f"gave another file: expected sha256 {'0' * 64}, received"):
            take(server, tmp_path / "to", sha256="0" * 64)

        def refuse(source: Path, fresh: Path) -> None:
            raise WeightsDamaged(f"{source} has no weights of layer conv1.")

        with pytest.raises(WeightsDamaged, match=r"^http://127\.0\.0\.1:\d+/file has no weights of layer conv1\.$"):
            take(server, tmp_path / "to", refuse)
    assert left_in(tmp_path / "to") == []


def test_an_endless_file_is_given_up(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("c3dvis.networks.weights.fetch.address.MAX_FETCHED", 10 * SIZE)
    with AddressServer(file, "endless") as server, pytest.raises(FetchFailed, match="more than 30,000,000 bytes"):
        take(server, tmp_path / "to")
    assert left_in(tmp_path / "to") == []


FETCH_IN_A_PROCESS = """
import shutil, sys
from pathlib import Path
from c3dvis.networks.weights.fetch.address import fetch_address
fetch_address(sys.argv[1], Path(sys.argv[2]), shutil.copyfile)
"""


def test_another_process_goes_on_where_a_killed_one_was(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "to" / "net" / "net.h5"
    with AddressServer(file, "stall good") as server:
        command = [sys.executable, "-c", FETCH_IN_A_PROCESS, server.url, str(target)]
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}) as process:
            deadline = time.monotonic() + PATIENCE
            while sum(path.stat().st_size for path in target.parent.glob(".part-*")) < SIZE // 3:
                assert time.monotonic() < deadline
                time.sleep(0.01)  # between looks at a file that another process writes
            process.send_signal(signal.SIGKILL)
        assert same(take(server, tmp_path / "to"), file)
        assert server.requests[1][1] == f"bytes={SIZE // 3}-"
    assert left_in(tmp_path / "to") == ["net.h5"]


def test_stopped_by_whoever_watches_it_keeps_what_has_come(file: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > total // 4:
            raise Cancelled("enough")

    with AddressServer(file, "cut good") as server:
        with pytest.raises(Cancelled, match="enough"):
            take(server, tmp_path / "to", on_progress=stop)
        assert same(take(server, tmp_path / "to"), file)
        assert server.requests[1][1] is not None


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl to compare with")
def test_as_fast_as_curl(tmp_path: Path) -> None:
    """Both in turns, the quickest of each, and more turns where that does not decide it: other programs slow either."""
    big = tmp_path / "big"
    big.write_bytes(bytes(200_000_000))
    os.sync()  # a disk still busy with what was installed slows either
    ours, theirs = [], []

    def settle(source: Path, fresh: Path) -> None:
        ours.append(time.perf_counter() - began)
        fresh.write_bytes(b"")

    with AddressServer(big) as server:
        while len(ours) < 3 or (len(ours) < 20 and min(theirs) < 0.8 * min(ours)):
            began = time.perf_counter()
            take(server, tmp_path / "to", settle)
            (tmp_path / "to" / "net" / "net.h5").unlink()
            began = time.perf_counter()
            subprocess.run(["curl", "-sS", "-o", str(tmp_path / "curl"), server.url], check=True)
            theirs.append(time.perf_counter() - began)
            (tmp_path / "curl").unlink()
    assert min(theirs) >= 0.8 * min(ours), (ours, theirs)
