"""The documented configurations of nginx and Caddy, run by nginx and Caddy before a public server."""

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect, sync_playwright

from tests.browser import FLAGS
from tests.hosting.conftest import STORED, PublicServer
from tests.hosting.ports import free_port
from tests.processes import PATIENCE, PATIENCE_MS

DOCS = Path(__file__).resolve().parents[2] / "docs" / "hosting"
HOST = "c3dvis.lab.example"
FIND = {"nginx": "/usr/sbin/nginx", "caddy": "/usr/bin/caddy"}


def program(name: str) -> str:
    found = shutil.which(name) or FIND[name]
    assert Path(found).is_file(), f"no {name}: install Debian's packages nginx-light and caddy"
    return found


def replaced(text: str, changes: dict[str, str]) -> str:
    for theirs, ours in changes.items():
        assert theirs in text, theirs
        text = text.replace(theirs, ours)
    return text


def nginx(folder: Path, https: int, http_port: int, app: str) -> list[str]:
    """The documented file with ports, certificate and address of the test; the command that runs it."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}", "-addext",
         f"subjectAltName=DNS:{HOST}", "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    site = replaced(
        (DOCS / "nginx.conf").read_text(),
        {"/etc/ssl/c3dvis": str(folder), "listen 443": f"listen 127.0.0.1:{https}",
         "listen 80": f"listen 127.0.0.1:{http_port}", "127.0.0.1:8501": app,
         "listen [::]:443": f"listen 127.0.0.2:{https}", "listen [::]:80": f"listen 127.0.0.2:{http_port}"},
    )  # fmt: skip
    debians = f"server {{ listen 127.0.0.1:{http_port} default_server; server_name _; return 200 welcome; }}"
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{places}{site}{debians}}}\n"
    )
    command = [program("nginx"), "-e", f"{folder}/error.log", "-c", str(main)]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr
    return command


def caddy(folder: Path, https: int, http_port: int, app: str) -> list[str]:
    """As `nginx`; Caddy signs the certificate itself."""
    site = replaced((DOCS / "Caddyfile").read_text(), {"127.0.0.1:8501": app})
    main = folder / "Caddyfile"
    main.write_text(
        f"{{\nadmin off\nhttps_port {https}\nhttp_port {http_port}\nlocal_certs\nskip_install_trust\n"
        f"default_bind 127.0.0.1\nstorage file_system {folder}/storage\n}}\n{site}"
    )
    arguments = ["--config", str(main), "--adapter", "caddyfile"]
    checked = subprocess.run([program("caddy"), "validate", *arguments], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    return [program("caddy"), "run", *arguments]


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest, tmp_path: Path, public_server: PublicServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    """Port of the proxy's HTTPS, before the public server."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    make: Callable[[Path, int, int, str], list[str]] = request.param
    https = free_port()
    command = make(tmp_path, https, free_port(), public_server.url.removeprefix("http://"))
    with (tmp_path / "proxy.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ))
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if get(https, HOST)[0] == 200:
                break
        except OSError:
            time.sleep(0.05)  # another process opens the port
    assert process.poll() is None, (tmp_path / "proxy.log").read_text()
    yield https
    process.terminate()
    process.wait(PATIENCE)


def get(port: int, host: str, path: str = "/") -> tuple[int, bytes, dict[str, str]]:
    """The answer to a request for `host` over a TLS connection that was opened for the documented host."""
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE  # the test's certificate
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.sock = trusting.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=HOST)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


def test_the_page_comes_through_the_proxy_with_its_socket(proxy: int, playwright: Playwright, chromium: Path) -> None:
    rule = f"--host-resolver-rules=MAP {HOST}:443 127.0.0.1:{proxy}"
    browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, rule, "--no-proxy-server"])
    try:
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.set_default_timeout(PATIENCE_MS)
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        sockets: list[str] = []
        page.on("websocket", lambda opened: sockets.append(opened.url))
        page.goto(f"https://{HOST}/?layer={STORED.layer}&filter={STORED.filter}")
        expect(page.locator(".player")).to_be_visible()
        assert [url.split("?")[0] for url in sockets] == [f"wss://{HOST}/_stcore/stream"]
        assert errors == []
    finally:
        browser.close()


def test_the_proxy_answers_for_its_host_alone(proxy: int) -> None:
    status, body, headers = get(proxy, HOST)
    assert (status, b"c3dvis" in body) == (200, True)
    assert {"max-age=31536000"} == {text for name, text in headers.items() if name == "Strict-Transport-Security"}
    for host in ("evil.example", f"{HOST}.evil.example"):
        status, body, _ = get(proxy, host)
        assert b"c3dvis" not in body, host
        assert status in (200, 421), "Caddy answers with nothing, nginx with 421"
        assert status == 421 or body == b""
    for path in ("/metrics", "/_stcore/metrics"):
        assert get(proxy, HOST, path)[0] == 404
