"""The gate of a public server: what it refuses, Streamlit does not see.

Streamlit compares the host of its socket alone, keeps every upload that names a session, and sends the cookie of a
sign-in over plain HTTP too.
"""

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from c3dvis.access.public_checks import refuse_unsafe_options
from c3dvis.access.sign_in import auth_section, is_public, may_upload
from c3dvis.server_settings import server_settings

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
    return [Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False), Middleware(Gate)]


class Gate:
    """ASGI middleware that refuses uploads of those who may not upload, and keeps cookies off plain HTTP.

    Args:
        app: Streamlit's application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
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
