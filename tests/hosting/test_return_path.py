"""Where a sign-in leads back to: a page of this server, and no other address, whatever the request says."""

import asyncio
from typing import Any

import pytest
from starlette.types import Message

from c3dvis.access.return_path import COOKIE, ReturnPath, return_path

HOST = "c3dvis.lab.example"


@pytest.mark.parametrize(
    ("referrer", "path"),
    [
        (f"https://{HOST}/gallery?layer=Mixed_3c&pin=layer%3Dconv1", "/gallery?layer=Mixed_3c&pin=layer%3Dconv1"),
        (f"https://{HOST}", "/"),
        (f"https://{HOST}/base/compare#part", "/base/compare"),
    ],
)
def test_a_page_of_this_server_is_remembered(referrer: str, path: str) -> None:
    assert return_path(referrer, HOST) == path


@pytest.mark.parametrize(
    "referrer",
    [
        "", "https://evil.example/gallery", f"https://{HOST}.evil.example/", f"https://{HOST}@evil.example/",
        f"https://evil.example/{HOST}", f"https://{HOST}//evil.example", f"https://{HOST}/\\evil.example",
        f"https://{HOST}/a b", f"https://{HOST}/\x00", f"https://{HOST}/?{'a' * 5000}", "https://[",
        "javascript:alert(1)",
    ],
)  # fmt: skip
def test_no_other_address_is_remembered(referrer: str) -> None:
    assert return_path(referrer, HOST) is None


def location(path: str, **headers: str) -> tuple[str, list[str]]:
    """Where Streamlit's redirect to the start page leads behind the middleware, and the cookies it sets."""
    sent: list[Message] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 302, "headers": [(b"location", b"/")]})

    async def keep(message: Message) -> None:
        sent.append(message)

    raw = [(name.encode(), value.encode("latin-1")) for name, value in {"host": HOST, **headers}.items()]
    asyncio.run(ReturnPath(app)({"type": "http", "path": path, "headers": raw}, None, keep))  # type: ignore[arg-type]
    values = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    (place,) = (value for name, value in values if name == "location")
    return place, [value for name, value in values if name == "set-cookie"]


def test_the_cookie_leads_back_once() -> None:
    place, (cookie,) = location("/auth/login", referer=f"https://{HOST}/gallery?layer=a;b%20c&x=%22")
    assert place == "/", "the way to the provider is as it was"
    assert "HttpOnly" in cookie
    place, (ended,) = location("/oauth2callback", cookie=cookie.partition(";")[0])
    assert place == "/gallery?layer=a;b%20c&x=%22"
    assert "Max-Age=0" in ended


@pytest.mark.parametrize(
    "value",
    ["//evil.example", "https%3A%2F%2Fevil.example", "%2F%2Fevil.example", "%2F%5Cevil.example", "%2F%0d%0aX: y", ""],
)
def test_a_forged_cookie_leads_to_the_start_page(value: str) -> None:
    assert location("/oauth2callback", cookie=f"{COOKIE}={value}") == ("/", [])


def test_a_sign_in_from_elsewhere_ends_an_earlier_cookie() -> None:
    _, (cookie,) = location("/auth/login", referer="https://evil.example/gallery")
    assert cookie.startswith(f"{COOKIE}=; Max-Age=0")
