"""Leads visitors who sign in back to the page from which they did: Streamlit itself leads to the start page.

The request that begins a sign-in names the page as its referrer. Its path and query are kept in a cookie until the
provider has sent the visitor back. They are all that is kept of it, so that nobody is led to another site.
"""

import re
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "c3dvis_return"

_LOGIN, _CALLBACK = "/auth/login", "/oauth2callback"
_SECONDS = 900  # that a sign-in may take
_LONGEST = 3000  # characters; browsers take cookies of 4,096 bytes
_OWN = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # a path of this server: no other host, no space, backslash or control


def return_path(referrer: str, host: str) -> str | None:
    """Path and query of the page from which a sign-in began; None if it is no page of this host.

    Args:
        referrer: address of the page, as the browser says it.
        host: that the browser asked, with its port.
    """
    try:
        parts = urlsplit(referrer)
    except ValueError:
        return None
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    return path if parts.netloc == host and _is_own(path) else None


class ReturnPath:
    """ASGI middleware that remembers the page when a sign-in begins, and leads back to it when it has ended.

    Args:
        app: Streamlit's application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        path = scope["path"] if scope["type"] == "http" else ""
        if not path.endswith((_LOGIN, _CALLBACK)):
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope)
        remembered = _remembered(sent.get("cookie", ""))
        page = return_path(sent.get("referer", ""), sent.get("host", "")) if path.endswith(_LOGIN) else None

        async def send_back(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if path.endswith(_LOGIN):
                    headers.append("set-cookie", _cookie(page))
                elif remembered and message["status"] == 302:
                    headers["location"] = remembered
                    headers.append("set-cookie", _cookie(None))
            await send(message)

        await self._app(scope, receive, send_back)


def _is_own(path: str) -> bool:
    return len(path) <= _LONGEST and bool(_OWN.fullmatch(path))


def _remembered(cookies: str) -> str | None:
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return None
    path = unquote(morsel.value) if morsel else ""
    return path if _is_own(path) else None


def _cookie(path: str | None) -> str:
    """The cookie that holds a path; without one, the cookie that ends it."""
    value, seconds = (quote(path, safe=""), _SECONDS) if path else ("", 0)
    return f"{COOKIE}={value}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax"
