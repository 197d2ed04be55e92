"""The recipes of docs/hosting.md name files, commands, options and settings that there are."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from c3dvis.access.claims import provider_names
from c3dvis.access.public_checks import LARGEST_UPLOAD, sign_in
from c3dvis.cli import make_parser
from c3dvis.server_settings import read_settings
from c3dvis.ui.network import add_form
from c3dvis.ui.network import page as network_page
from c3dvis.ui.probe import film

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "hosting"
PAGE = (ROOT / "docs" / "hosting.md").read_text("utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def test_every_file_that_is_named_is_there() -> None:
    linked = [path for path in re.findall(r"\]\(([^)#]+)\)", PAGE) if "://" not in path]
    named = re.findall(r"docs/hosting/[\w.-]+", PAGE)
    assert [path for path in linked if not (ROOT / "docs" / path).is_file()] == []
    assert [path for path in named if not (ROOT / path).is_file()] == []
    assert {path.name for path in DOCS.iterdir()} <= set(re.findall(r"[\w.-]+", PAGE)), "each file is explained"


def test_every_command_of_c3dvis_is_one() -> None:
    commands = re.findall(r"(?:^|`|-m )c3dvis ((?:doctor|cache|weights|atlas)[^`#\n]*)", PAGE, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        make_parser().parse_args(shlex.split(command))


def test_the_settings_of_the_clouds_can_be_read(tmp_path: Path) -> None:
    (written,) = re.findall(r"```\n(mode = .*?)```", PAGE, re.DOTALL)
    (tmp_path / "c3dvis.toml").write_text(written.replace("YOUR-APP", "pictures"))
    settings = read_settings(tmp_path / "c3dvis.toml")
    assert (settings.mode, settings.workers.profile) == ("public", "low")
    assert settings.access.hosts == ["pictures.streamlit.app"]


def test_the_example_of_secrets_lacks_what_only_its_reader_has() -> None:

    auth = tomllib.loads((DOCS / "secrets.toml").read_text())["auth"]
    assert provider_names(auth) == ["default"]
    found = [check.name for check in sign_in(auth, ["c3dvis.lab.example"]) if check.state == "problem"]
    assert found == ["auth.cookie_secret", "auth default client_id", "auth default client_secret"]


def test_the_compose_file_fits_the_image() -> None:
    compose = yaml.safe_load((DOCS / "compose.yaml").read_text())
    services = compose["services"]
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["tmpfs"] == ["/tmp"], name
        for volume in service.get("volumes", []):
            source, target = volume.split(":")
            assert source in compose["volumes"]
            assert f"C3DVIS_CACHE_DIR={target}" in DOCKERFILE
    assert services["dashboard"]["ports"] == ["127.0.0.1:8501:8501"], "the page alone, and for a proxy on the host"
    assert [name for name, service in services.items() if "ports" in service] == ["dashboard"]
    assert compose["networks"]["inside"] == {"internal": True}
    assert services["worker"]["networks"] == services["scheduler"]["networks"] == ["inside"]
    files = {name: entry["file"] for name, entry in compose["secrets"].items()}
    assert all((DOCS / file).parent.resolve() == ROOT for file in files.values())
    for variable in ("C3DVIS_SETTINGS", "STREAMLIT_SECRETS_FILES"):
        assert services["dashboard"]["environment"][variable].removeprefix("/run/secrets/") in files
    gpu = yaml.safe_load((DOCS / "compose.gpu.yaml").read_text())
    assert set(gpu["services"]) == {"worker"}


@pytest.mark.parametrize("name", ["scheduler", "worker"])
def test_the_commands_of_the_compose_file_have_their_options(name: str) -> None:
    command = yaml.safe_load((DOCS / "compose.yaml").read_text())["services"][name]["command"]
    assert command[:4] == ["python", "-m", "dask", name]
    known = subprocess.run(
        [sys.executable, "-m", "dask", name, "--help"], capture_output=True, text=True, check=True
    ).stdout
    options = [part for part in command if part.startswith("--")]
    positive = [option.replace("--no-", "--") for option in options]
    assert [one for one, two in zip(options, positive, strict=True) if one not in known and two not in known] == []


def test_the_image_runs_as_a_user_without_privileges_and_has_what_it_copies() -> None:
    lines = DOCKERFILE.replace("\\\n", " ").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["c3dvis"]
    after = lines[lines.index("USER c3dvis") :]
    assert any(line.startswith("CMD ") for line in after)
    assert "/_stcore/health" in next(line for line in lines if line.startswith("HEALTHCHECK"))
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert [path for path in kept if path != "c3dvis.toml" and not (ROOT / path).exists()] == []
    assert ".streamlit/secrets.toml" in ignored
    assert f"install -m 600 -o {re.findall('--uid ([0-9]+) c3dvis', DOCKERFILE)[0]} docs/hosting/secrets.toml" in PAGE


def test_secrets_cannot_be_committed() -> None:
    for name in ("secrets.toml", ".streamlit/secrets.toml"):
        command = ["git", "check-ignore", "--no-index", "-q", name]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0, name


def test_every_upload_that_a_page_takes_gets_through_to_it() -> None:
    options = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    largest = max(film.MAX_MEGABYTES, add_form.MAX_MEGABYTES, *(size for size, _ in network_page.UPLOADS.values()))
    taken = options["server"]["maxUploadSize"]  # Streamlit counts what a browser sends around the file, too
    assert largest < taken == LARGEST_UPLOAD
    assert f"client_max_body_size {taken}m;" in (DOCS / "nginx.conf").read_text()
    assert f"max_size {taken}MiB" in (DOCS / "Caddyfile").read_text()


def test_the_service_starts_what_the_recipe_installs() -> None:
    service = dict(re.findall(r"^(\w+)=(.*)$", (DOCS / "c3dvis.service").read_text(), re.MULTILINE))
    folder = service["WorkingDirectory"]
    assert f"{folder} && cd {folder}" in PAGE
    assert service["ExecStart"].startswith(f"{folder}/.venv/bin/python -m streamlit run app.py")
    address, port = re.findall(r"--server.address ([\d.]+) --server.port (\d+)", service["ExecStart"])[0]
    for proxy in ("nginx.conf", "Caddyfile"):  # without a port, Streamlit takes another where this one is in use
        assert f" {address}:{port}" in (DOCS / proxy).read_text()
    assert service["ReadWritePaths"] == f"{folder}/cache"
    for variable in service["Environment"].split():
        assert variable in DOCKERFILE, "what would be written to a home that cannot be written"
    assert f"useradd --system --create-home --home-dir /srv/c3dvis --shell /usr/sbin/nologin {service['User']}" in PAGE
