"""The gate of a public server: what it refuses, Streamlit does not see.

Streamlit compares the host of its socket alone, keeps every upload that names a session, takes messages that pages
never send, and has the cookie of a sign-in sent over plain HTTP too.
"""

import logging
import re
from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from c3dvis.access.messages import is_taken
from c3dvis.access.public_checks import refuse_unsafe_options
from c3dvis.access.return_path import ReturnPath
from c3dvis.access.sign_in import auth_section, is_public, may_upload
from c3dvis.server_settings import server_settings

logger = logging.getLogger(__name__)

_LOOPBACK = ("localhost", "127.0.0.1")  # for health checks; no other site can have these names
_UPLOAD = re.compile(r"/_stcore/upload_file/([^/]*)/")


def gate() -> list[Middleware]:
    """The middleware of a public server; nothing in mode *local*.

    Raises:
        InvalidSettings: an option of Streamlit is set that would let visitors do what they may not.
    """
    if not is_public():
        return []
    refuse_unsafe_options()
    hosts = [*server_settings().access.hosts, *_LOOPBACK]
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False),
        Middleware(Gate, hosts=hosts),
        Middleware(ReturnPath),
    ]


class Gate:
    """ASGI middleware that refuses sockets of other sites, messages that no page sends, and uploads of those who may
    not upload, and keeps cookies off plain HTTP.

    Args:
        app: Streamlit's application.
        hosts: of the pages that may open a socket.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.casefold() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin")
        if origin is not None and urlsplit(origin).hostname not in self._hosts:
            await PlainTextResponse("This page may not open a socket here.", 403)(scope, receive, send)
            return

        async def receive_taken() -> MutableMapping[str, Any]:
            message = await receive()
            while message["type"] == "websocket.receive" and not is_taken(message.get("bytes")):
                logger.warning("A message that no page sends was dropped.")
                message = await receive()
            return message

        await self._app(scope, receive_taken, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        upload = _UPLOAD.search(scope["path"])
        if upload and scope["method"] not in ("OPTIONS", "DELETE") and not may_upload(upload[1]):
            await PlainTextResponse("Only the operators of this server may upload a file.", 403)(scope, receive, send)
            return
        only_tls = str(auth_section().get("redirect_uri", "")).startswith("https://")

        async def send_safely(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
                if only_tls:
                    message["headers"] = [
                        (name, value + b"; Secure") if _is_open_cookie(name, value) else (name, value)
                        for name, value in headers.raw
                    ]
            await send(message)

        await self._app(scope, receive, send_safely)


def _is_open_cookie(name: bytes, value: bytes) -> bool:
    return name.lower() == b"set-cookie" and b"; secure" not in value.lower()
