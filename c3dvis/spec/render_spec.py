"""`RenderSpec`: all settings of a render, validated, in one canonical form.

The dashboard, the command line and the Python API each create one. The cache key, the link and the recipe are made from
its fields. It is independent of TensorFlow, Streamlit and networks: `c3dvis.networks` checks whether a layer exists.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from c3dvis.errors import InvalidSpec
from c3dvis.spec.defaults_and_presets import ENGINE_DEFAULTS, NETWORK_SIZES
from c3dvis.spec.field_titles import TARGETS
from c3dvis.spec.fields import FIELDS
from c3dvis.spec.values import checked, field_text, invalid, parse_field, shortened

ALGORITHM_VERSION = 9
"""Part of every cache key. Raise it whenever the same spec gives other bytes than before."""

SIZES = ("frames", "height", "width")

START_STRENGTH = 0.5
"""Default of `start_strength`."""

_BY_ENGINE: Any = None  # stands for "this engine's own default" until __post_init__ fills it in
_BY_NETWORK: Any = None  # stands for "the network's own" until __post_init__ or `sized` fills it in


@dataclass(frozen=True)
class RenderSpec:
    """One render: which filter of which network is maximised, and how.

    Fields left out take the defaults of their engine: `RenderSpec(engine="keras-vis")` has those of the original
    library.

    Args:
        network: name in the registry.
        layer: a name from `network.layers`.
        filter: index of the filter, or pairs of (index, weight) for a weighted sum of up to 16 filters.
        objective: `filter` (mean over all positions), `neuron` (one position), `class` (a class score before
            softmax, mean over positions), `layer` (mean square of the whole layer: DeepDream).
        position: (t, h, w) in the layer's output, for `neuron`; None is the centre.
        frames, height, width: size of the clip in frames and pixels. Left out, it is the network's own; that of a
            network that was added is known once `registry.sized` has looked it up, which every render does.
        engine: `fast` (ours) or `keras-vis` (the original library).
        iterations: optimiser steps; 0 shows the start.
        seed: of every random choice.
        variants, variant: how many clips of the target are optimised in one batch, each to be unlike the others, and
            which of them this is, counted from 0.
        activation_weight, selectivity_weight, lp_weight, tv_space_weight, tv_time_weight: weights of the energy's
            terms.
        lp_p: order of the Lp norm.
        tv_beta: exponent of the total variation.
        contrast: standard deviation that the search holds the volume's values at, of 255; 0 leaves it free. The clip's
            own differs by a few percent, more above 50. A `pixel` volume's is always free.
        jitter_pixels, jitter_frames: largest random shift per step, in height and width and in time. If jitter_pixels
            is above 0, a volume that is not `pixel` is also scaled at random, by up to ±5 % in height and width. Each
            step samples the volume from its parameters through this shift and scale; the parameters are not shifted.
        parametrization: `fourier` (decorrelated colour, frequency-scaled spectrum), `moving` (such a spectrum of a
            still texture, its motion, and a spectrum of what changes), `texture` (without the last), `natural` (as
            `fourier`, with the amplitudes of natural video) or `pixel`.
        learning_rate: of the optimiser (keras-vis's RMSProp for `pixel`, otherwise Adam).
        precision: `auto`, `float32` or `bfloat16`.
        start_clip: content hash (`c3dvis.spec.clip_digest.clip_digest`) of a clip (frames, height, width, 3) on which
            to dream: the search changes this clip. Empty: it starts from noise.
        start_strength: how far the search may change the clip: 0 gives it back, and at 1 the change has the full
            `contrast`. Without a start clip it is the default.

    Raises:
        InvalidSpec: a value is of the wrong type, not finite or out of range; the message names the field,
            what was expected and what was received.
    """

    network: str = "i3d-kinetics400"
    layer: str = "Mixed_4d"
    filter: int | tuple[tuple[int, float], ...] = 40
    objective: str = "filter"
    position: tuple[int, int, int] | None = None
    frames: int = _BY_NETWORK
    height: int = _BY_NETWORK
    width: int = _BY_NETWORK
    engine: str = "fast"
    iterations: int = _BY_ENGINE
    seed: int = 0
    variants: int = 1
    variant: int = 0
    activation_weight: float = _BY_ENGINE
    selectivity_weight: float = _BY_ENGINE
    lp_weight: float = _BY_ENGINE
    lp_p: float = _BY_ENGINE
    tv_space_weight: float = _BY_ENGINE
    tv_time_weight: float = _BY_ENGINE
    tv_beta: float = _BY_ENGINE
    contrast: float = _BY_ENGINE
    jitter_pixels: int = _BY_ENGINE
    jitter_frames: int = _BY_ENGINE
    parametrization: str = _BY_ENGINE
    learning_rate: float = _BY_ENGINE
    precision: str = _BY_ENGINE
    start_clip: str = ""
    start_strength: float = START_STRENGTH

    def __post_init__(self) -> None:
        if self.engine not in ENGINE_DEFAULTS:
            raise invalid("engine", f"one of {', '.join(ENGINE_DEFAULTS)}", self.engine)
        sizes = zip(SIZES, NETWORK_SIZES.get(str(self.network), ()), strict=False)
        defaults = {**ENGINE_DEFAULTS[self.engine], **dict(sizes)}
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if value is None and name in defaults:
                value = defaults[name]
            if value is not None or name not in SIZES:
                object.__setattr__(self, name, checked(name, value))
        if not self.start_clip:  # two specs of one render must be equal
            object.__setattr__(self, "start_strength", START_STRENGTH)
        self._check_together()

    def _check_together(self) -> None:
        if self.position is not None and self.objective != "neuron":
            raise invalid("position", "none, unless objective is 'neuron'", self.position)
        if self.variant >= self.variants:
            raise invalid("variant", f"below variants, which is {self.variants}", self.variant)
        if self.start_clip and self.variants > 1:
            raise invalid("variants", "1 where there is a start clip", self.variants)
        if self.engine == "keras-vis":
            self._check_keras_vis()

    def _check_keras_vis(self) -> None:
        if self.start_clip:
            raise InvalidSpec("keras-vis starts from noise: expected no start clip. Choose engine 'fast'.")
        if self.tv_space_weight != self.tv_time_weight:
            raise InvalidSpec(
                "keras-vis weighs total variation in time and space alike: expected tv_time_weight equal to "
                f"tv_space_weight, received tv_space_weight={self.tv_space_weight:g} and "
                f"tv_time_weight={self.tv_time_weight:g}. Make them equal or choose engine 'fast'."
            )
        if self.objective not in ("filter", "class") or not isinstance(self.filter, int):
            raise InvalidSpec(
                "keras-vis maximises the mean of one filter: expected objective 'filter' or 'class' and a single "
                f"filter, received objective='{self.objective}', filter={self.filter_text}. Choose engine 'fast'."
            )
        fixed = {**ENGINE_DEFAULTS["keras-vis"], "variants": 1}
        for name in (
            "variants", "selectivity_weight", "lp_p", "tv_beta", "contrast", "jitter_pixels", "jitter_frames",
            "parametrization", "learning_rate", "precision",
        ):  # fmt: skip
            if getattr(self, name) != fixed[name]:
                raise InvalidSpec(
                    f"keras-vis fixes {name} at {fixed[name]}, received {getattr(self, name)}. "
                    f"Leave {name} out or choose engine 'fast'."
                )

    @property
    def filters(self) -> tuple[tuple[int, float], ...]:
        """The target as (index, weight) pairs, also when it is a single filter."""
        return ((self.filter, 1.0),) if isinstance(self.filter, int) else self.filter

    @property
    def filter_text(self) -> str:
        """The filter as it stands in a link and on the command line: `40`, or `40*1,41*-0.5`."""
        return field_text("filter", self.filter)

    @property
    def title(self) -> str:
        """One line that names the picture."""
        return f"{self.layer} · {self.target} · {self.network}"

    @property
    def size(self) -> tuple[int, int, int]:
        """Frames, height and width of the clip."""
        return self.frames, self.height, self.width

    @property
    def is_sized(self) -> bool:
        """Whether the size is known: it was given, or is that of a network that comes with the program."""
        return None not in self.size

    def sized(self, size: tuple[int, int, int]) -> "RenderSpec":
        """The spec with a network's own size (frames, height, width) in place of what was left out."""
        missing = {name: own for name, own in zip(SIZES, size, strict=True) if getattr(self, name) is None}
        return replace(self, **missing) if missing else self

    @property
    def target(self) -> str:
        """What is maximised, without layer and network: `filter 6`, `class 3`, `whole layer`.

        A neuron has its position: `neuron of filter 6 at t 1, h 2, w 2`, or `at the centre`.
        """
        name = TARGETS[self.objective]
        if self.objective == "layer":
            return name
        place = "t {}, h {}, w {}".format(*self.position) if self.position else "the centre"
        return f"{name} {self.filter_text}{f' at {place}' if self.objective == 'neuron' else ''}"

    def replace(self, **changes: Any) -> "RenderSpec":
        """A copy with some fields changed.

        Changing the engine takes the new engine's defaults for every field that stood at the old engine's; so does
        another network with its size.

        Raises:
            InvalidSpec: as the constructor does; also for a name that is no field.
        """
        unknown = set(changes) - set(FIELDS)
        if unknown:
            raise InvalidSpec(f"A spec has no field {sorted(unknown)[0]!r}; expected one of {', '.join(FIELDS)}.")
        if changes.get("engine", self.engine) != self.engine:
            old = ENGINE_DEFAULTS[self.engine]
            kept = {name: None for name, value in old.items() if getattr(self, name) == value}
            changes = {**kept, **changes}
        if changes.get("network", self.network) != self.network:
            own = NETWORK_SIZES.get(self.network, ())
            kept = {name: None for name, size in zip(SIZES, own, strict=False) if getattr(self, name) == size}
            changes = {**kept, **changes}
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Every field in JSON types, in the order they are declared."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["filter"] = self.filter if isinstance(self.filter, int) else [list(p) for p in self.filter]
        values["position"] = None if self.position is None else list(self.position)
        return values

    def to_json(self) -> str:
        """Canonical JSON: sorted, no spaces. Equal specs give equal text.

        It has every field, but those of a start clip only if there is one: so other specs keep the keys that they had
        before there were start clips.
        """
        values = self.to_dict()
        if not self.start_clip:
            del values["start_clip"], values["start_strength"]
        return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "RenderSpec":
        """The spec of a recipe. Fields left out take their defaults.

        Raises:
            InvalidSpec: not JSON, not an object, an unknown field or an unusable value.
        """
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidSpec(f"A recipe is a JSON object of spec fields; this is not JSON: {error}.") from None
        if not isinstance(values, dict):
            raise InvalidSpec(f"A recipe is a JSON object of spec fields; received {type(values).__name__}.")
        unknown = sorted(set(values) - set(FIELDS))
        if unknown:
            raise InvalidSpec(f"The recipe has the unknown field {unknown[0]!r}; expected some of {', '.join(FIELDS)}.")
        return cls(**values)

    def to_query(self) -> dict[str, str]:
        """The spec as address parameters; what equals its default is left out."""
        default = _left_out(self.engine, self.network)
        values = {name: getattr(self, name) for name in FIELDS}
        return {name: field_text(name, value) for name, value in values.items() if value != default[name]}

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> tuple["RenderSpec", list[str]]:
        """The spec of an address, and a sentence for each part of it that had to be dropped.

        Names that are no spec field are left alone (other parts of the page use them). Never raises.
        """
        problems: list[str] = []
        values: dict[str, Any] = {}

        def drop(name: str, error: InvalidSpec) -> None:
            values.pop(name, None)
            problems.append(f"The link's {name}={shortened(query[name])} was dropped. {error}")

        for name in FIELDS:
            if name in query:
                try:
                    values[name] = checked(name, parse_field(name, query[name]))
                except InvalidSpec as error:
                    drop(name, error)
        while True:
            try:
                return cls(**values), problems
            except InvalidSpec as error:  # each value is valid alone: the combination is not
                present = [name for name in _DROP_ORDER if name in values]
                cures = (name for name in present if _is_valid({k: v for k, v in values.items() if k != name}))
                drop(next(cures, present[0]), error)

    def key(self, fingerprint: str) -> str:
        """Address of the result: SHA-256 over spec, network fingerprint and algorithm version, 64 hex digits.

        Raises:
            InvalidSpec: the size of the clip is not known yet.
        """
        if not self.is_sized:
            raise InvalidSpec(f"The size of {self.network}'s clips is not known yet: see `registry.sized`.")
        text = json.dumps([self.to_json(), fingerprint, ALGORITHM_VERSION], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


# The order in which fields of a link are dropped if each value is valid alone and their combination is not.
_DROP_ORDER = (
    "position", "start_clip", "variant", *(name for name in FIELDS if name in ENGINE_DEFAULTS["fast"]), "variants",
    "objective", "filter", "frames", "height", "width", "engine",
)  # fmt: skip


@lru_cache(maxsize=64)
def _left_out(engine: str, network: str) -> Mapping[str, Any]:
    """The values that fields have where a link with this engine and network leaves them out."""
    sizes = {name: getattr(RenderSpec(network=network), name) for name in SIZES}
    return MappingProxyType(vars(RenderSpec(engine=engine)) | {"engine": RenderSpec.engine} | sizes)


def _is_valid(values: dict[str, Any]) -> bool:
    try:
        RenderSpec(**values)
    except InvalidSpec:
        return False
    return True
