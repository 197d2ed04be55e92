"""`RenderResult`: the clip of a finished render with its spec, measures, history and provenance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from c3dvis.errors import C3dvisError, ResultDamaged
from c3dvis.results import result_file
from c3dvis.results.texture_motion import TextureMotion
from c3dvis.spec import ALGORITHM_VERSION, RenderSpec

Scalar = float | int | bool | None

_MAX_TEXT = 10_000


@dataclass(frozen=True, eq=False)
class RenderResult:
    """A finished render.

    Arguments:
        spec: of the render.
        clip: (T, H, W, 3) uint8 RGB, exactly what is shown and downloaded, of the size in `spec`; larger where the
            channels of a network of more than three are shown side by side. It is copied; the copy is read-only.
        metrics: the measures by name; None means "not defined", and a number that is not finite becomes None.
        history: one row per measured step: `step` (int), `seconds` since the start of the render,
            `objective` (float or None), `shown_activation` (float or None: not measured at that step).
        fingerprint: of the network, as 64 hex digits.
        algorithm: version of the algorithm that rendered the clip.
        provenance: of the render: device, seconds, versions, `created` in ISO 8601, UTC.
        texture_motion: the clip taken apart into one still texture and its motion; None until `take_apart` did so.
        channels: (T, H, W, channels) uint8, what was found, of a network of more than three channels, some of which the
            clip may not show; else None. The measures are of these. Copied too.

    Raises:
        ValueError: the clip, its texture and motion, or a row of the history has another shape or type.
    """

    spec: RenderSpec
    clip: np.ndarray
    metrics: dict[str, Scalar]
    history: list[dict[str, Any]]
    fingerprint: str
    algorithm: int
    provenance: dict[str, str | float | int]
    texture_motion: TextureMotion | None = None
    channels: np.ndarray | None = None

    def __post_init__(self) -> None:
        channels = self.channels
        count = None if channels is None else channels.shape[-1]
        if not result_file.fits(self.clip.shape, self.spec.size, count) or self.clip.dtype != np.uint8:
            raise ValueError(
                f"The clip does not fit its spec. Expected shape {(*self.spec.size, 3)} and dtype uint8. "
                f"Received: shape {self.clip.shape} and dtype {self.clip.dtype}."
            )
        if channels is not None and (
            channels.shape[:-1] != self.spec.size or channels.shape[-1] < 4 or channels.dtype != np.uint8
        ):
            raise ValueError(
                f"The channels do not fit their spec. Expected shape {self.spec.size} × 4 or more and dtype uint8. "
                f"Received: shape {channels.shape} and dtype {channels.dtype}."
            )
        if self.texture_motion and (shape := self.texture_motion.displacement.shape) != (*self.spec.size, 2):
            raise ValueError(
                f"The displacements do not fit their spec. Expected shape {(*self.spec.size, 2)}. "
                f"Received: shape {shape}."
            )
        for name in ("clip", "channels") if self.channels is not None else ("clip",):
            copy = np.array(getattr(self, name), order="C")
            copy.setflags(write=False)
            object.__setattr__(self, name, copy)
        object.__setattr__(self, "metrics", {name: _plain(value) for name, value in self.metrics.items()})
        object.__setattr__(self, "history", [_row(row) for row in self.history])
        object.__setattr__(self, "provenance", {name: _plain(value) for name, value in self.provenance.items()})

    @property
    def key(self) -> str:
        """Address in the store: 64 hex digits over spec, network and algorithm."""
        return self.spec.key(self.fingerprint)

    @property
    def is_current(self) -> bool:
        """Whether this version of the program renders the same clip from the same spec."""
        return self.algorithm == ALGORITHM_VERSION

    def _repr_html_(self) -> str:
        """How a notebook shows it: as a player, or as a GIF where scripts do not run."""
        from c3dvis.results.notebook import to_html

        return to_html(self)

    def to_bytes(self) -> bytes:
        """One HDF5 file (see `c3dvis.results.result_file`); equal results give equal bytes."""
        identity = {
            "title": self.spec.title, "key": self.key, "fingerprint": self.fingerprint, "algorithm": self.algorithm,
        }  # fmt: skip
        history = [tuple(row[name] for name in result_file.HISTORY_COLUMNS) for row in self.history]
        parts = (found.texture, found.displacement) if (found := self.texture_motion) else None
        return result_file.pack(
            result_file.Contents(
                self.clip, self.spec.to_json(), history, self.metrics, self.provenance, identity, parts, self.channels
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "RenderResult":
        """The result in such a file, with its checksums verified.

        Raises:
            ResultDamaged: the bytes were altered, or the contents do not fit together.
        """
        contents = result_file.unpack(data)
        try:
            result = cls(
                spec=RenderSpec.from_json(contents.spec_json),
                clip=contents.clip,
                metrics=contents.metrics,
                history=[dict(zip(result_file.HISTORY_COLUMNS, row, strict=True)) for row in contents.history],
                fingerprint=str(contents.identity["fingerprint"]),
                algorithm=int(contents.identity["algorithm"]),
                provenance=contents.provenance,
                texture_motion=TextureMotion(*contents.texture_motion) if contents.texture_motion else None,
                channels=contents.channels,
            )
        except (C3dvisError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ResultDamaged(f"The stored result does not fit together: {error}") from error
        # A spec from another version may have had other fields, and then another key.
        if result.is_current and result.spec.to_json() == contents.spec_json:
            stored = contents.identity.get("key")
            if stored != result.key:
                raise ResultDamaged(
                    "The stored result does not fit together: its key is not that of its spec. "
                    f"Expected {result.key}. Received: {stored}."
                )
        return result


def _plain(value: Any) -> Any:
    """A NumPy or Python scalar as a plain Python value; numbers that are not finite become None."""
    if isinstance(value, np.generic):
        value = value.item()
    if not (value is None or isinstance(value, str | bool | int | float)):
        raise ValueError(f"Expected a number, a truth value, a text or None. Received: {type(value).__name__}.")
    if isinstance(value, str) and (len(value) > _MAX_TEXT or "\0" in value):
        raise ValueError(f"Expected a text of at most {_MAX_TEXT} characters, without NUL. Received: {value[:40]!r}…")
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    if set(row) != set(result_file.HISTORY_COLUMNS):
        raise ValueError(
            f"A row of the history has the wrong columns. Expected {', '.join(result_file.HISTORY_COLUMNS)}. "
            f"Received: {', '.join(map(str, row))}."
        )
    plain = {name: _plain(row[name]) for name in result_file.HISTORY_COLUMNS}
    numbers = {name: None if plain[name] is None else float(plain[name]) for name in result_file.HISTORY_COLUMNS[1:]}
    return {"step": int(plain["step"]), **numbers}
