"""Requests to servers with certificates, logins and proxies, over the loopback interface."""

import base64
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import requests

from c3dvis.networks.weights.fetch.http_client import open_url, reason_of
from c3dvis.networks.weights.fetch.http_settings import HttpSettings
from tests.networks.loopback import LoopbackServer, send


class Recorder(LoopbackServer):
    """Answers every request with `here`, and keeps its path and its login.

    Args:
        tls: the certificates of an https server, or None for http.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.requests: list[tuple[str, str | None]] = []
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/file"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append((request.path, request.headers.get("Authorization")))
        send(request, b"here")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key in the same file."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
    )
    command = [*command.split(), "-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    subprocess.run(command, check=True, capture_output=True)
    (folder / "both.pem").write_text((folder / "certificate").read_text() + (folder / "key").read_text())
    return folder / "both.pem"


@pytest.fixture
def secure(certificate: Path) -> Iterator[Recorder]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Recorder(context) as server:
        yield server


def get(url: str, settings: HttpSettings | None = None) -> bytes:
    with open_url(url, settings or HttpSettings(timeout=10)) as response:
        return response.content


def test_an_unknown_certificate_is_refused(secure: Recorder) -> None:
    with pytest.raises(requests.exceptions.SSLError) as caught:
        get(secure.url)
    assert "certificate verify failed" in reason_of(caught.value)
    with pytest.raises(requests.exceptions.SSLError):
        get(secure.url, HttpSettings(trusted_hosts=("localhost", "127.0.0.1:1")))
    assert secure.requests == []


def test_certificates_of_pip_of_the_environment_and_of_the_system_are_trusted(
    secure: Recorder, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get(secure.url, HttpSettings(cert=str(certificate))) == b"here"
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        with monkeypatch.context() as changed:
            changed.setenv(name, str(certificate))
            assert get(secure.url) == b"here"


@pytest.mark.parametrize("with_port", [True, False])
def test_a_trusted_host_is_not_verified(secure: Recorder, with_port: bool) -> None:
    host = f"127.0.0.1:{secure.port}" if with_port else "127.0.0.1"
    assert get(secure.url, HttpSettings(trusted_hosts=(host,))) == b"here"


def test_a_client_certificate_is_shown_to_a_server_that_asks(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with Recorder(context) as server:
        assert get(server.url, HttpSettings(cert=str(certificate), client_cert=str(certificate))) == b"here"
        with pytest.raises(requests.RequestException):
            get(server.url, HttpSettings(cert=str(certificate)))
        assert len(server.requests) == 1


def test_the_login_of_the_url_goes_before_that_of_netrc(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password from-netrc\n")
    with Recorder() as server:
        assert get(server.url) == b"here"
        assert get(server.url.replace("//", "//you:p%C3%A4ss@")) == b"here"
        logins = [base64.b64decode((login or "").removeprefix("Basic ")).decode() for _, login in server.requests]
        assert logins == ["me:from-netrc", "you:päss"]


def test_a_proxy_is_used_but_for_excepted_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorder() as proxy, Recorder() as server:
        address = f"http://127.0.0.1:{proxy.port}"
        assert get("http://index.test/simple", HttpSettings(proxy=address)) == b"here"
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert get(server.url, HttpSettings(proxy=address)) == b"here"
        monkeypatch.setenv("HTTP_PROXY", address)
        monkeypatch.setenv("http_proxy", address)
        assert get("http://environment.test/simple") == b"here"
        assert [path for path, _ in proxy.requests] == ["http://index.test/simple", "http://environment.test/simple"]
        assert [path for path, _ in server.requests] == ["/file"]
