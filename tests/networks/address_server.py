"""A web server that serves one file, with selectable faults."""

import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.networks.loopback import LoopbackServer, send


class AddressServer(LoopbackServer):
    """Serves `/file`; use it as a context manager.

    Args:
        file: what it serves.
        ranges: whether it supports ranges and sends an entity tag.
        behaviours: how it answers each request in turn, the last one for all that follow: `good`, `cut` (the
            connection ends after a third of what is left), `stall` (nothing follows it), `page` (an HTML page),
            `redirect` (to `/file`), `local` (to a file: address), `missing`, `busy`, `wrong range`, `endless`,
            `dribble` (no length, then closed).
        later: what it serves from the second request on, with another entity tag.
    """

    def __init__(self, file: Path, behaviours: str = "good", ranges: bool = True, later: Path | None = None) -> None:
        super().__init__()
        self.file = file
        self.later = later
        self.behaviours = behaviours.split()
        self.ranges = ranges
        self.tag = '"first"'
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/file"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.later and self.requests:
            self.file, self.tag = self.later, '"second"'
        self.requests.append((request.path, request.headers.get("Range")))
        behaviour = self.behaviours[0] if len(self.behaviours) == 1 else self.behaviours.pop(0)
        match behaviour:
            case "page":
                send(request, b"<!DOCTYPE html><title>Sign in to the Wi-Fi</title>", "text/html")
            case "missing":
                send(request, b"gone", status=404)
            case "busy":
                send(request, b"later", status=503)
            case "redirect" | "local":
                send(request, b"", status=302, to="/file" if behaviour == "redirect" else self.file.as_uri())
            case _:
                self._give(request, behaviour)

    def _give(self, request: BaseHTTPRequestHandler, behaviour: str) -> None:
        size, start = self.file.stat().st_size, 0
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
        if asked and self.ranges and request.headers.get("If-Range") == self.tag:
            start = int(asked[1])
            if start >= size:
                send(request, b"", status=416)
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
            while not self.resume.is_set():
                request.wfile.write(bytes(1 << 20))
        count = size - start if behaviour in ("good", "dribble", "wrong range") else (size - start) // 3
        with self.file.open("rb") as file:
            request.connection.sendfile(file, start, count)
        if behaviour == "stall":
            self.resume.wait()
        request.close_connection = True
