"""A web server on the loopback interface; its subclasses define the answers and the faults."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class LoopbackServer:
    """Serves on a free port; use it as a context manager.

    Attributes:
        resume: an event that answers can wait for; it is set when the server ends, so that no answer outlives it.
    """

    def __init__(self) -> None:
        self.resume = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> Self:
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

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answers one request; the client may close the connection meanwhile."""
        raise NotImplementedError

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    server.answer(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, *args: Any) -> None:
                """Keeps the test output quiet."""

        return Handler


def send(
    request: BaseHTTPRequestHandler,
    body: bytes,
    kind: str = "text/plain",
    status: int = 200,
    length: int | None = None,
    to: str = "",
) -> None:
    """Sends a whole answer; `length` is the Content-Length it claims, `to` the URL that it redirects to."""
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body) if length is None else length))
    if to:
        request.send_header("Location", to)
    request.end_headers()
    request.wfile.write(body)
