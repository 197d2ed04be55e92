"""What pip is set up for, as we read it, compared with what pip itself says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from c3dvis.errors import FetchFailed
from c3dvis.networks.weights.fetch.http_client import open_url
from c3dvis.networks.weights.fetch.pip_settings import pip_settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def test_index_of_an_untouched_pip() -> None:
    settings = pip_settings()
    assert len(settings.indexes) == 1
    assert settings.indexes[0].startswith("https://")
    assert settings.indexes[0].endswith("/simple")
    assert settings.find_links == ()
    assert settings.cert is None


def test_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text(
        "[global]\n"
        "index-url = https://me:secret@mirror.test/simple/\n"
        "extra-index-url = https://one.test/simple\n  https://two.test/simple\n"
        "timeout = 7\ncert = /some/ca.pem\nclient-cert = /some/me.pem\n"
        "proxy = http://proxy.test:3128\ntrusted-host = mirror.test\n"
        "[download]\nfind-links = /wheels 'a b'\n"
        "[install]\nindex-url = https://not-for-us.test/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    settings = pip_settings()
    assert settings.indexes == (
        "https://me:secret@mirror.test/simple/",
        "https://one.test/simple",
        "https://two.test/simple",
    )
    assert settings.timeout == 7
    assert settings.cert == "/some/ca.pem"
    assert settings.client_cert == "/some/me.pem"
    assert settings.proxy == "http://proxy.test:3128"
    assert settings.trusted_hosts == ("mirror.test",)
    assert settings.find_links[0] == "/wheels"


def test_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text("[download]\nindex-url = https://file.test/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.test/simple")
    assert pip_settings().indexes == ("https://environment.test/simple",)


def test_damaged_configuration_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pip.conf").write_text("index-url without a section\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    with pytest.raises(FetchFailed, match="pip's settings cannot be read"):
        pip_settings()


WITHOUT_PIP = """
from c3dvis.errors import FetchFailed
from c3dvis.networks.weights.fetch.pip_settings import pip_settings
try:
    print(pip_settings().indexes)
except FetchFailed as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("address", "said"),
    [("https://chosen.test/simple", "https://chosen.test/simple"), (None, "there is no pip here")],
)
def test_without_pip(tmp_path: Path, address: str | None, said: str) -> None:
    chosen = {"PIP_INDEX_URL": address} if address else {}
    done = subprocess.run(
        [sys.executable, "-S", "-c", WITHOUT_PIP],  # -S: no site-packages, hence no pip
        env={"PYTHONPATH": str(ROOT), "PATH": str(tmp_path), **chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said in done.stdout


def test_other_kinds_of_address_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected a file, http or https address, received ftp://host\.test/x"):
        open_url("ftp://user:word@host.test/x", pip_settings())
