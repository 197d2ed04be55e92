"""A web server on the loopback interface that gives one file, in every way in which one can."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any


class AddressServer:
    """Serves `/file`; use it as a context manager.

    Args:
        file: what it serves.
        ranges: whether it gives ranges and an entity tag.
        behaviours: what happens to each request in turn, the last one for all that follow: `good`, `cut` (the
            connection ends after a third of what is left), `stall` (nothing follows it), `page` (an HTML page),
            `redirect` (to `/file`), `local` (to a file: address), `missing`, `busy`, `wrong range`, `endless`,
            `dribble` (no length, then closed).
    """

    def __init__(self, file: Path, behaviours: str = "good", ranges: bool = True) -> None:
        self.file = file
        self.behaviours = behaviours.split()
        self.ranges = ranges
        self.tag = '"first"'
        self.requests: list[tuple[str, str | None]] = []
        self.sent = threading.Event()
        self._release = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> "AddressServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/file"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, self.headers.get("Range")))
                try:
                    server._answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *args: Any) -> None:
                """Keeps the test output quiet."""

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        behaviour = self.behaviours[0] if len(self.behaviours) == 1 else self.behaviours.pop(0)
        match behaviour:
            case "page":
                _plain(request, 200, b"<!DOCTYPE html><title>Sign in to the Wi-Fi</title>", "text/html")
            case "missing":
                _plain(request, 404, b"gone")
            case "busy":
                _plain(request, 503, b"later")
            case "redirect" | "local":
                _plain(request, 302, b"", to="/file" if behaviour == "redirect" else self.file.as_uri())
            case _:
                self._give(request, behaviour)

    def _give(self, request: BaseHTTPRequestHandler, behaviour: str) -> None:
        size, start = self.file.stat().st_size, 0
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
        if asked and self.ranges and request.headers.get("If-Range") == self.tag:
            start = int(asked[1])
            if start >= size:
                _plain(request, 416, b"")
                return
        claimed = 0 if behaviour == "wrong range" else start
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {claimed}-{size - 1}/{size}")
        if self.ranges:
            request.send_header("ETag", self.tag)
        request.send_header("Content-Type", "application/octet-stream")
        if behaviour not in ("endless", "dribble"):
            request.send_header("Content-Length", str(size - start))
        request.end_headers()
        request.wfile.flush()
        if behaviour == "endless":
            while not self._release.is_set():
                request.wfile.write(bytes(1 << 20))
        count = size - start if behaviour in ("good", "dribble", "wrong range") else (size - start) // 3
        with self.file.open("rb") as file:
            request.connection.sendfile(file, start, count)
        self.sent.set()
        if behaviour == "stall":
            self._release.wait(60)
        request.close_connection = True


def _plain(request: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "text/plain", to: str = "") -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    if to:
        request.send_header("Location", to)
    request.end_headers()
    request.wfile.write(body)
