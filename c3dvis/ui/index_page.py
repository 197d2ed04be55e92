"""The HTML page that a browser gets first: Streamlit's own, with our title, style sheet, script and policy.

With a style sheet that came later, with the first output of the script, everything on the screen would move once more.
"""

import html
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.file_util import get_static_dir

from c3dvis.ui.content_policy import content_policy

TITLE = "c3dvis: what a filter of a 3D network looks for"

_SIDEBAR, _EMBEDDED = "c3d-sidebar", "c3d-embedded"  # as in page.css
_WITH_SIDEBAR = ("", "gallery", "compare")  # paths of pages


class IndexPage:
    """ASGI middleware that answers with our index page wherever Streamlit would answer with its own.

    Args:
        app: Streamlit's application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._pages = {html_class: _page(html_class) for html_class in ("", _SIDEBAR, _EMBEDDED)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["path"].endswith("/explore"):
            # The Explore page is at the root. Streamlit would say that there is no page of that name.
            await RedirectResponse(f"./?{scope['query_string'].decode('latin-1')}")(scope, receive, send)
            return
        replaced = False

        async def send_ours(message: MutableMapping[str, Any]) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                replaced = message["status"] == 200 and _is_html(message)
            if not replaced:
                await send(message)
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                await _response(self._pages[_html_class(scope)], scope)(scope, receive, send)

        pages = scope["type"] == "http" and scope["method"] == "GET"
        await self._app(scope, receive, send_ours if pages else send)


def _html_class(scope: Scope) -> str:
    """The class of the root element: what the page will need space for, before the script says so."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    if query.get("embed") == ["true"]:
        return _EMBEDDED
    page = scope["path"].rpartition("/")[2]
    return _SIDEBAR if page in _WITH_SIDEBAR else ""


def _is_html(message: MutableMapping[str, Any]) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/html")


def _response(page: str, scope: Scope) -> HTMLResponse:
    policy = content_policy(page, Headers(scope=scope).get("host", ""))
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
    return HTMLResponse(page, headers=headers)


def _page(html_class: str) -> str:
    page = (Path(get_static_dir()) / "index.html").read_text(encoding="utf-8")
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    script = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
    ours = {
        '<html lang="en">': f'<html lang="en" class="{html_class}">',
        "<title>Streamlit</title>": (
            f"<title>{html.escape(TITLE)}</title>\n<style>\n{style}</style>\n<script>\n{script}</script>"
        ),
    }
    for theirs, replacement in ours.items():
        if page.count(theirs) != 1:
            raise RuntimeError(f"Streamlit's index page has changed: expected one {theirs} in it.")
        page = page.replace(theirs, replacement)
    return page
