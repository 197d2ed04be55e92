"""What a newcomer types works: requirements, Makefile, container and README agree with each other and the code."""

import fnmatch
import importlib.metadata
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import c3dvis
from c3dvis import errors, settings
from c3dvis.cli import make_parser
from c3dvis.commands import doctor
from c3dvis.commands.render import ENDINGS
from c3dvis.networks import registry
from tests.processes import PATIENCE

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def pins(name: str) -> dict[str, str]:
    """Pinned versions of a requirements file that hold for this Python."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate():
                (specifier,) = requirement.specifier
                assert specifier.operator == "==", line
                found[canonicalize_name(requirement.name)] = specifier.version
    return found


def asked(extra: str | None = None) -> list[Requirement]:
    """What pyproject.toml asks for, itself or by an extra."""
    texts = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    return [Requirement(text) for text in texts]


def needed(requirements: list[Requirement]) -> Iterator[Requirement]:
    """Those requirements and all that they bring along, as installed here."""
    waiting, seen = [(requirement, "") for requirement in requirements], set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        yield requirement
        for each in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), each)
            if key not in seen:
                seen.add(key)
                brought = importlib.metadata.requires(requirement.name) or []
                waiting += [(Requirement(text), each) for text in brought]


def test_requirements_hold_everything_pinned() -> None:
    pinned = pins("requirements.txt")
    for requirement in needed(asked()):
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not pinned: run make requirements"
        assert requirement.specifier.contains(version, prereleases=True), (
            f"{requirement} is pinned at {version}: run make requirements"
        )
    required = ("streamlit", "tensorflow", "keras-vis", "numpy", "imageio", "h5py", "diskcache")
    assert set(required) <= set(pinned)
    assert pinned["keras-vis"] == "0.4.1"


def test_development_requirements_add_to_the_others() -> None:
    pinned, more = pins("requirements.txt"), pins("requirements-dev.txt")
    assert pinned.items() <= more.items()
    own = {"c3dvis", "pyright", "ruff", "uv"}  # checked by name: lint and compile are no part of a test run
    for requirement in asked("test"):
        assert requirement.specifier.contains(more[canonicalize_name(requirement.name)])
    for requirement in asked("dev"):
        assert requirement.name in own
        assert requirement.name == "c3dvis" or requirement.specifier.contains(more[requirement.name])


def test_requirements_name_no_index() -> None:
    for name in ("requirements.txt", "requirements-dev.txt", "Makefile", "Dockerfile", ".ci/run", "pyproject.toml"):
        assert "/simple" not in (ROOT / name).read_text()
        assert "--index-url" not in re.sub(r"--no-emit-index-url", "", (ROOT / name).read_text())


def test_the_doctor_looks_for_what_is_required() -> None:
    assert sorted(doctor.PACKAGES) == sorted(requirement.name for requirement in asked())


def test_one_version_and_one_range_of_pythons() -> None:
    assert PROJECT["version"] == c3dvis.__version__
    assert f"## {c3dvis.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    supported = SpecifierSet(PROJECT["requires-python"])
    minors = [minor for minor in range(8, 30) if supported.contains(f"3.{minor}")]
    assert [(3, minor) for minor in (minors[0], minors[-1])] == list(doctor.PYTHONS)
    assert f"(3, {minors[0]}) <= sys.version_info[:2] <= (3, {minors[-1]})" in (ROOT / "Makefile").read_text()
    listed = ", ".join(f"3.{minor}" for minor in minors[:-1]) + f" or 3.{minors[-1]}"
    assert f"Python {listed}" in README


# commands


def recipe(target: str) -> list[str]:
    """Commands of a Makefile target and of the environment it stands on, with `python` for .venv's own."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Makefile").read_text())
    found = re.search(rf"^{re.escape(target)}:([^\n]*)\n((?:\t[^\n]*\n)*)", text, re.MULTILINE)
    assert found, f"the Makefile has no target {target}"
    own = [line.strip().replace("$(PY)", "python").replace(" $(ARGS)", "") for line in found[2].splitlines()]
    before = [name for name in found[1].split() if name in (".venv/run", ".venv/dev")]
    steps = [step for name in before for step in recipe(name)] + own
    return [step for step in steps if not step.startswith("touch ")]


def typed(text: str) -> list[str]:
    """Commands in the code blocks of a Markdown text, without what follows a #."""
    blocks = re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def chapter(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_documents_show_the_pictures_that_are_there_and_no_others_are_kept() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    shown = {
        (document.parent / name).resolve()
        for document in documents
        for name in re.findall(r'(?:src="|\]\()([^")\s:]+\.(?:webp|jpg|png|gif))', document.read_text())
    }
    assert shown == {picture.resolve() for picture in (ROOT / "docs" / "images").iterdir()}


def test_chapters_are_in_the_order_of_use() -> None:
    assert re.findall(r"^## (.*)$", README, re.MULTILINE) == [
        "Run", "What you see", "Command line", "Your own network", "Python", "Settings",
        "A link for many people", "Docker", "Tests", "Licences",
    ]  # fmt: skip


def test_run_without_make_is_what_make_does() -> None:
    commands = typed(chapter("Run"))
    assert commands[0] == "make run"
    assert commands[3:6] == recipe("run")


def test_tests_without_make_are_what_make_does() -> None:
    commands = typed(chapter("Tests"))
    assert commands == ["make test", *recipe("test")]
    assert re.search(r"^make test ", (ROOT / ".ci/run").read_text(), re.MULTILINE)


def test_continuous_run_is_a_sound_script() -> None:
    assert (ROOT / ".ci/run").stat().st_mode & 0o111 == 0o111
    subprocess.run(["bash", "-n", str(ROOT / ".ci/run")], check=True)


def test_make_commands_in_the_readme_exist() -> None:
    targets = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert targets == {"run", "test", "lint", "requirements"}
    assert all(recipe(target) for target in targets)


def test_container_runs_the_same_commands() -> None:
    steps = re.sub(r"\\\n\s*", "", DOCKERFILE)
    ran = [match.strip() for match in re.findall(r"^RUN (.*)$", steps, re.MULTILINE)]
    (start,) = re.findall(r"^CMD (\[.*\])$", steps, re.MULTILINE)
    install, fetch, serve = recipe("run")
    assert install in ran
    assert fetch in ran
    assert ran.index(install) < ran.index(fetch)
    assert shlex.join(json.loads(start)) == serve
    assert steps.index("USER c3dvis") < steps.index(fetch)


def in_the_image(path: str) -> bool:
    """Whether .dockerignore lets a file into the image: the last rule that matches it decides."""
    inside = True
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        if rule and not rule.startswith("#"):
            pattern = rule.removeprefix("!").removeprefix("**/")
            parts = [path, *map(str, Path(path).parents)] + ([Path(path).name] if "**/" in rule else [])
            if any(fnmatch.fnmatch(part, pattern) for part in parts):
                inside = rule.startswith("!")
    return inside


def test_container_holds_what_it_needs_and_no_more(tmp_path: Path) -> None:
    names = [str(path.relative_to(ROOT)) for path in sources()]
    for name in filter(in_the_image, names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    assert {path.name for path in tmp_path.iterdir()} == {
        "app.py", "c3dvis", "docs", ".streamlit", "pyproject.toml", "requirements.txt", "README.md", "LICENSE",
        "NOTICE",
    }  # fmt: skip
    told = subprocess.run(
        [sys.executable, "-m", "c3dvis", "networks", "--json"], cwd=tmp_path, capture_output=True, check=True
    )
    assert [entry["name"] for entry in json.loads(told.stdout)["networks"]] == list(registry.NAMES)


def sources() -> list[Path]:
    """The files of the checkout, without environments, caches and what version control keeps."""
    top = [ROOT / name for name in ("c3dvis", "tests", "docs", "bench", ".streamlit", ".ci")]
    inner = [path for folder in top for path in folder.rglob("*")]
    return [
        path
        for path in [*ROOT.iterdir(), *inner]
        if path.is_file() and "__pycache__" not in path.parts and path.name != "secrets.toml"
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_health_check_tells_a_living_page_from_a_dead_one() -> None:
    (line,) = re.findall(r"^ +CMD (python .*)$", DOCKERFILE, re.MULTILINE)
    port = free_port()
    check = [sys.executable, *shlex.split(line.replace(":8501", f":{port}"))[1:]]
    assert subprocess.run(check, capture_output=True).returncode != 0
    serve = json.loads(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[0])
    flags = ["--server.port", str(port), "--server.headless", "true", "--server.address", "127.0.0.1"]
    page = subprocess.Popen(
        [sys.executable, *serve[1:], *flags], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert page.stdout is not None
        for said in page.stdout:
            if "URL" in said:
                break
        answer = urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=PATIENCE)
        with answer:
            assert answer.read() == b"ok"
        done = subprocess.run(check, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    finally:
        page.terminate()
        page.communicate(timeout=PATIENCE)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5)


# what is shipped and what is said


def test_every_file_of_the_package_is_shipped() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = tools["package-data"]["*"]
    package = ROOT / "c3dvis"
    for path in package.rglob("*"):
        if path.is_dir() or "__pycache__" in path.parts:
            continue
        assert (path.parent / "__init__.py").is_file(), f"{path.parent} is no package: its files are not shipped"
        assert path.suffix == ".py" or any(fnmatch.fnmatch(path.name, each) for each in patterns), path


def test_no_weights_in_the_checkout() -> None:
    for path in sources():
        assert path.suffix not in (".ckpt", ".pth", ".pickle", ".caffemodel"), path
        assert path.stat().st_size < 5_000_000, f"{path} is too large to be shipped"


def test_every_command_is_in_the_readme() -> None:
    said = chapter("Command line")

    def check(parser: object, words: str) -> None:
        groups = [action for action in parser._actions if action.dest in ("command", "action")]  # type: ignore[attr-defined]
        if not groups:
            assert re.search(rf"^{words}( |$)", said, re.MULTILINE), f"`{words}` is not in the README"
        for group in groups:
            for name, inner in group.choices.items():
                check(inner, f"{words} {name}")

    check(make_parser(), "c3dvis")
    assert all(f"`{ending}`" in said for ending in ENDINGS)


def test_commands_in_the_readme_parse() -> None:
    lines = [line for line in typed(README) if line.startswith("c3dvis ")]
    assert len(lines) >= 10
    for line in lines:
        arguments = make_parser().parse_args(shlex.split(line)[1:])
        assert arguments.run


def test_every_exit_code_is_in_the_readme() -> None:
    described = {int(code) for code in re.findall(r"^\| (\d+) \|", chapter("Command line"), re.MULTILINE)}
    classes = [each for each in vars(errors).values() if isinstance(each, type)]
    assert described == {0, 1, 2} | {each.exit_code for each in classes if issubclass(each, errors.C3dvisError)}


def test_every_setting_is_in_the_readme() -> None:
    described = set(re.findall(r"^\| `(C3DVIS_\w+)`", chapter("Settings"), re.MULTILINE))
    code = "".join(path.read_text() for path in (ROOT / "c3dvis").rglob("*.py"))
    assert described == set(re.findall(r'environ[^\n]*?"(C3DVIS_\w+)"', code))
    assert "C3DVIS_CACHE_DIR" in (settings.cache_dir.__doc__ or "")


def test_licences() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    notice = (ROOT / "NOTICE").read_text()
    for origin in ("DeepMind", "Wilson Yan", "CC BY-NC 3.0", "CC BY 3.0", "keras-vis", "MIT License"):
        assert origin in notice
