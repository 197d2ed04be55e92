"""A public server with its provider of sign-ins, and queues with settings of their own."""

import dataclasses
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from c3dvis.queue import RenderQueue
from c3dvis.results import ResultStore
from c3dvis.server_settings import ServerSettings
from c3dvis.spec import RenderSpec
from tests.hosting.oidc_provider import Provider
from tests.hosting.ports import free_port
from tests.queue.conftest import until, until_running
from tests.ui.conftest import Server, made_result

__all__ = ["until", "until_running"]

MakeQueue = Callable[[ServerSettings], RenderQueue]

SETTINGS = """\
mode = "public"
[access]
hosts = ["c3dvis.lab.example"]
members = ["ada@lab.example", "dept.example"]
operators = ["grace@lab.example"]
"""

STORED = RenderSpec(layer="Mixed_3c", filter=5)
"""A spec whose result the public server has stored."""


@dataclasses.dataclass(frozen=True)
class PublicServer:
    """A public dashboard, and the provider that signs its visitors in."""

    server: Server
    provider: Provider
    cache: Path

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def log(self) -> str:
        return self.server.log.read_text(errors="replace")


@contextmanager
def running_public_server(folder: Path, weights: Path) -> Iterator[PublicServer]:
    """A dashboard in mode *public* with one stored result, on the loopback."""
    cache = folder / "cache"
    with ResultStore(cache) as results:
        results.put(made_result(STORED))
    provider, port = Provider(), free_port()
    provider.start()
    (folder / "c3dvis.toml").write_text(SETTINGS)
    secrets = folder / "secrets.toml"
    secrets.touch(0o600)
    secrets.write_text(provider.secrets_toml(f"http://127.0.0.1:{port}"))
    server = Server(
        cache, folder / "log.txt", weights, port=port, C3DVIS_SETTINGS=str(folder / "c3dvis.toml"),
        STREAMLIT_SECRETS_FILES=str(secrets), NO_PROXY="127.0.0.1", no_proxy="127.0.0.1",
    )  # fmt: skip
    try:
        yield PublicServer(server, provider, cache)
    finally:
        server.close()
        provider.stop()


@pytest.fixture(scope="session")
def public_server(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> Iterator[PublicServer]:
    """One public server for all tests that open one."""
    with running_public_server(tmp_path_factory.mktemp("public"), weights) as running:
        yield running


@pytest.fixture(autouse=True)
def _right_tokens(request: pytest.FixtureRequest) -> None:
    """Each test begins with a provider that issues right tokens."""
    if "public_server" in request.fixturenames:
        request.getfixturevalue("public_server").provider.reset()


@pytest.fixture
def make_queue(tmp_path: Path, weights: Path) -> Iterator[MakeQueue]:
    """Makes a queue with these settings and a store of its own; closed after the test."""
    opened: list[RenderQueue | ResultStore] = []

    def make(settings: ServerSettings) -> RenderQueue:
        store = ResultStore(tmp_path / f"store-{len(opened)}")
        queue = RenderQueue(store, settings=settings)
        opened.extend([store, queue])
        return queue

    yield make
    for one in reversed(opened):
        one.close()


def worker_process(queue: RenderQueue) -> psutil.Process:
    """The process of a queue's one worker."""
    (status,) = queue.status().workers
    return psutil.Process(status.pid)


assert os.environ.get("C3DVIS_SETTINGS") is None, "the tests choose their settings files themselves"
