"""GET requests with the proxy, certificates and logins that the user has set up.

Uses the requests library, with three additions: the certificates of the operating system are trusted too, the
certificates of pip's `trusted-host`s are not verified, and a redirect to a scheme other than http or https is not
followed.
"""

import ssl
from collections.abc import Iterator, Mapping
from http.client import IncompleteRead
from typing import Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import should_bypass_proxies

from c3dvis.networks.weights.fetch.http_settings import HttpSettings

UNREACHABLE = (OSError, ValueError, urllib3.exceptions.HTTPError)
"""What a request, or reading its response, can raise; every exception of requests is an OSError."""

_TIMEOUTS = (TimeoutError, requests.Timeout)


def open_url(
    url: str, settings: HttpSettings, accept: str = "*/*", headers: Mapping[str, str] | None = None
) -> requests.Response:
    """The response to a GET request, its body not read yet; use it as a context manager.

    Raises:
        ValueError: the scheme is another than http or https.
        requests.HTTPError: the server answered with an error, or with a redirect that leaves HTTP.
        requests.RequestException: the server cannot be reached.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"expected a file, http or https address, received {without_login(url)}")
    proxies = {}
    if settings.proxy and not should_bypass_proxies(url, no_proxy=None):
        proxies = {"http": settings.proxy, "https": settings.proxy}
    with _Session() as session:
        session.mount("https://", _Adapter(settings.trusted_hosts))
        response = session.get(
            without_login(url),  # a login in the URL would end up in messages, and .netrc would override it
            auth=_login(parts),
            headers={
                "Accept": accept,
                "Accept-Encoding": "identity",  # a server that compresses a .tar.gz once more breaks its hash
                "User-Agent": "c3dvis",
                **(headers or {}),
            },
            proxies=proxies,
            verify=settings.cert,
            cert=settings.client_cert,
            timeout=settings.timeout,
            stream=True,
        )
    if response.status_code >= 300:
        response.close()
        raise requests.HTTPError(response=response)
    return response


def content_type(response: requests.Response) -> str:
    """The media type of a response without its parameters, such as `text/html`."""
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def reason_of(error: BaseException) -> str:
    """Why a request failed, in one line without the URL."""
    if isinstance(error, requests.RequestException) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}".rstrip()
    causes = list(_causes(error))
    if any(isinstance(cause, _TIMEOUTS) for cause in causes):
        return "the connection stalled"
    if any(isinstance(cause, IncompleteRead) for cause in causes):
        return "the connection broke off"
    text = str(getattr(causes[-1], "strerror", None) or causes[-1])
    return " ".join(text.split()) or type(causes[-1]).__name__


def without_login(url: str) -> str:
    """The URL without user name and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error, then the one that it wraps, and so on: requests wraps errors of urllib3, which wraps the system's."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        inner = (getattr(cause, "reason", None), cause.__cause__, *cause.args)
        cause = next((each for each in inner if isinstance(each, BaseException)), None)


def _login(parts: SplitResult) -> HTTPBasicAuth | None:
    """The login in a URL, as bytes: requests encodes text as Latin-1."""
    if parts.username is None:
        return None
    return HTTPBasicAuth(unquote(parts.username).encode(), unquote(parts.password or "").encode())


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """The URL that a response redirects to; a redirect to a local file is returned to the caller instead."""
        target = super().get_redirect_target(resp)
        is_http = target and urlsplit(urljoin(resp.url, target)).scheme in ("http", "https")
        return target if is_http else None


class _Adapter(HTTPAdapter):
    """Connections to https URLs.

    Args:
        trusted_hosts: `host` or `host:port` whose certificate is not verified.
    """

    def __init__(self, trusted_hosts: tuple[str, ...]) -> None:
        self._trusted_hosts = trusted_hosts
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        if parts.hostname in self._trusted_hosts or parts.netloc in self._trusted_hosts:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # the user asked for it
            options["verify"] = False
        return super().send(request, *args, **options)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[Any, Any]:
        """Adds the certificates of the operating system where no others are chosen."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify is True:
            pool["ssl_context"] = ssl.create_default_context()
        return host, pool
