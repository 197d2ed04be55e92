"""The files and commands of docs/scaling.md are ones that Dask and this program understand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from c3dvis.queue.queue_status import DEVICE

SCALING = Path(__file__).resolve().parent.parent / "docs" / "scaling"
TEXT = SCALING.with_suffix(".md").read_text()


def commands() -> dict[str, list[str]]:
    """Every `dask …` command line of the document and its two files."""
    compose = yaml.safe_load((SCALING / "compose.yaml").read_text())["services"]
    found = {f"compose {name}": service["command"] for name, service in compose.items() if "command" in service}
    for document in yaml.safe_load_all((SCALING / "kubernetes.yaml").read_text()):
        for container in pods(document):
            if "command" in container:
                found[f"kubernetes {container['name']}"] = container["command"]
    for line in re.findall(r"^dask .*$", TEXT, re.MULTILINE):
        found[line] = shlex.split(line)
    return found


def pods(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document["spec"]["template"]["spec"]["containers"] if document["kind"] == "Deployment" else []


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """The options that the installed Dask knows, of each of its commands."""
    known = {}
    for command in ("scheduler", "worker"):
        told = subprocess.run(
            [sys.executable, "-m", "dask", command, "--help"], capture_output=True, text=True, check=True
        )
        known[command] = set(re.findall(r"--[a-z-]+", told.stdout))
    return known


@pytest.mark.parametrize("name", list(commands()))
def test_dask_knows_the_options(options: dict[str, set[str]], name: str) -> None:
    program, command, *arguments = commands()[name]
    assert program == "dask"
    used = {argument for argument in arguments if argument.startswith("--")}
    assert used <= options[command]
    if command == "worker":
        assert arguments[arguments.index("--resources") + 1] == f"{DEVICE}=1"
        assert arguments[arguments.index("--nthreads") + 1] == "1"


def test_everything_meets_at_one_scheduler() -> None:
    compose = yaml.safe_load((SCALING / "compose.yaml").read_text())["services"]
    address = compose["dashboard"]["environment"]["C3DVIS_SCHEDULER"]
    assert address == f"tcp://{next(name for name in compose if name == 'scheduler')}:8786"
    assert address in compose["worker"]["command"]
    assert "8786" in compose["scheduler"]["command"]
    documents = list(yaml.safe_load_all((SCALING / "kubernetes.yaml").read_text()))
    names = {document["metadata"]["name"] for document in documents if document["kind"] == "Service"}
    (dashboard,) = [c for document in documents for c in pods(document) if c["name"] == "dashboard"]
    host = re.fullmatch(r"tcp://([a-z0-9-]+):8786", dashboard["env"][0]["value"])
    assert host
    assert host[1] in names
    for document in documents:
        if document["kind"] == "Deployment":
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert document["spec"]["selector"]["matchLabels"] == labels


def test_the_document_names_what_exists() -> None:
    for name in ("compose.yaml", "kubernetes.yaml"):
        assert f"scaling/{name}" in TEXT
    for script in re.findall(r"python (bench/\w+\.py)", TEXT):
        assert (SCALING.parent.parent / script).is_file()
