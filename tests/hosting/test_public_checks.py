"""`c3dvis doctor --public` names what is open, and a server with unsafe options does not start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from c3dvis.access.public_checks import made_by_another, providers, sign_in
from tests.hosting.oidc_provider import Provider

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (
    'mode = "public"\n[access]\nhosts = ["lab.example"]\nmembers = ["{member}"]\noperators = ["grace@lab.example"]\n'
)


UNSAFE = {
    'showErrorDetails = "none"': 'showErrorDetails = "full"',
    "[server]": "[server]\nenableXsrfProtection = false",
    "maxUploadSize = 501": "maxUploadSize = 5000",
}
"""What is written in place of lines of `.streamlit/config.toml`."""


def run(folder: Path, *command: str, unsafe: bool = False, **environment: str) -> subprocess.CompletedProcess[str]:
    options = (ROOT / ".streamlit" / "config.toml").read_text()
    for line, other in UNSAFE.items() if unsafe else ():
        assert line in options
        options = options.replace(line, other)
    (folder / ".streamlit").mkdir(exist_ok=True)
    (folder / ".streamlit" / "config.toml").write_text(options)
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )  # fmt: skip


def test_the_doctor_names_what_is_open(tmp_path: Path) -> None:
    (tmp_path / "c3dvis.toml").write_text(SETTINGS.format(member="dept.example"))
    closed = run(tmp_path, "c3dvis", "doctor", "--public", "--json")
    checks = json.loads(closed.stdout)["checks"]
    names = {check["name"] for check in checks}
    assert {"mode", "access.hosts", "server.enableXsrfProtection", "client.showErrorDetails", "dask", "ports"} <= names
    # Dashboards of other tests may run at the moment; of them the check of ports speaks.
    assert [check for check in checks if check["state"] == "problem" and check["name"] != "ports"] == []

    (tmp_path / "c3dvis.toml").write_text('mode = "public"\naccess.hosts = "lab.example"')
    wrong = run(tmp_path, "c3dvis", "doctor", "--public")
    assert (wrong.returncode, "access.hosts: expected" in wrong.stdout, "Report" in wrong.stdout) == (1, True, False)

    (tmp_path / "c3dvis.toml").write_text(SETTINGS.format(member="gmail.com").replace('"lab.example"', ""))
    scheduler = {"C3DVIS_SCHEDULER": "tcp://10.0.0.5:8786"}
    opened = run(tmp_path, "c3dvis", "doctor", "--public", "--json", unsafe=True, **scheduler)
    assert opened.returncode == 1
    problems = {check["name"] for check in json.loads(opened.stdout)["checks"] if check["state"] == "problem"}
    assert problems - {"ports"} == {
        "access.members", "access.hosts", "client.showErrorDetails", "server.enableXsrfProtection", "dask",
        "server.maxUploadSize",
    }  # fmt: skip


def test_a_public_server_does_not_start_with_unsafe_options(tmp_path: Path) -> None:
    (tmp_path / "c3dvis.toml").write_text(SETTINGS.format(member="dept.example"))
    (tmp_path / "start.py").write_text("from c3dvis.access.gate import gate; gate()")
    assert run(tmp_path, "start").returncode == 0
    refused = run(tmp_path, "start", unsafe=True)
    assert refused.returncode != 0
    assert "client.showErrorDetails: expected none, received full" in refused.stderr


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"redirect_uri": "http://lab.example/oauth2callback"}, "auth.redirect_uri"),
        ({"redirect_uri": "https://lab.example/"}, "auth.redirect_uri"),
        ({"redirect_uri": "https://other.example/oauth2callback"}, "auth.redirect_uri"),
        ({"cookie_secret": "short"}, "auth.cookie_secret"),
        ({"client_id": ""}, "auth default client_id"),
        ({"client_secret": ""}, "auth default client_secret"),
        ({"server_metadata_url": "http://id.example/"}, "auth default server_metadata_url"),
    ],
)  # fmt: skip
def test_each_setting_of_the_sign_in_is_checked(changes: dict[str, str], name: str) -> None:
    right = {
        "redirect_uri": "https://lab.example/oauth2callback", "cookie_secret": "s" * 64, "client_id": "c",
        "client_secret": "t", "server_metadata_url": "https://id.example/.well-known/openid-configuration",
    }  # fmt: skip
    assert [check.state for check in sign_in(right, ["lab.example"])] == ["ok"]
    assert [check.name for check in sign_in(right | changes, ["lab.example"]) if check.state == "problem"] == [name]


def test_the_provider_is_asked_whether_it_signs_as_named() -> None:
    provider = Provider()
    auth = {"client_id": "c", "server_metadata_url": f"{provider.url}/.well-known/openid-configuration"}
    (silent,) = providers(auth)
    assert (silent.state, "nobody can sign in" in silent.detail) == ("problem", True)
    provider.start()
    try:
        assert [check.state for check in providers(auth)] == ["ok"]
        other = auth["server_metadata_url"].replace("127.0.0.1", "localhost")
        (differs,) = providers(auth | {"server_metadata_url": other})
    finally:
        provider.stop()
    assert differs.state == "problem"
    assert auth["server_metadata_url"] in differs.advice


def test_what_another_user_stored_is_found(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "lost+found").mkdir()
    (file := tmp_path / "results" / "one.h5").touch()
    owner = file.stat().st_uid
    assert made_by_another(tmp_path, owner) is None
    assert made_by_another(tmp_path / "results", owner + 1) == file
