"""The state of one visitor's Probe page: the window of the clip, the target, and how it is shown.

The address holds all of it but the file itself, of which it has the name.
"""

from dataclasses import dataclass

from c3dvis.clips import Window
from c3dvis.errors import C3dvisError, InvalidSpec
from c3dvis.networks import classes, nearest_spec, registry
from c3dvis.networks.registry import NetworkInfo
from c3dvis.probe import Target
from c3dvis.spec import RenderSpec
from c3dvis.spec.render_spec import START_STRENGTH
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.navigation import PageState, Query

VIEWS = {
    "feature_map": "Feature map",
    "saliency": "Saliency",
    "grad_cam": "Grad-CAM",
    "integrated_gradients": "Integrated gradients",
    "clip": "Clip alone",
}
"""How the clip is shown, with titles: under the answer to a question about the target, or as it is."""

SIZES = {"large": "Large, with classes", "small": "Small, faster"}
FILLS = {"refuse": "", "stretch": "stretched", "loop": "looped"}
MOST_FRAMES = 64

Size = tuple[int, int, int]


@dataclass
class ProbeState(PageState):
    """The state of one visitor's page.

    Attributes:
        network, layer: names in the registry.
        filter: of the layer; None for the one that responds most.
        start: of the window, in seconds.
        stride: of the window.
        length: of the window, in frames; None for as many as the network needs.
        fill: what is done about too short a file, a key of `FILLS`.
        size: of the frames, a key of `SIZES`.
        view: a key of `VIEWS`.
        file: name of the visitor's file; empty for the sample.
        strength: of a dream on the clip.
    """

    network: str = RenderSpec.network
    layer: str = RenderSpec.layer
    filter: int | None = None
    start: float = 0.0
    stride: float = 1.0
    length: int | None = None
    fill: str = "refuse"
    size: str = "large"
    view: str = "feature_map"
    file: str = ""
    strength: float = START_STRENGTH

    def load(self, query: Query) -> None:
        """Take the state from an address."""
        self.__dict__.update(vars(ProbeState(watcher=self.watcher)))
        values = navigation.last_values(query)
        spec, self.link_problems = nearest_spec.read_link(
            {name: values[name] for name in ("network",) if name in values}
        )
        self.network = spec.network
        self.size = values["size"] if values.get("size") in SIZES else "large"
        self.fill = values["fill"] if values.get("fill") in FILLS else "refuse"
        self.view = values["view"] if values.get("view") in VIEWS else "feature_map"
        self.file = values.get("file", "")[:200]
        self._load_numbers(values)
        self._load_target(values)

    def _load_numbers(self, values: dict[str, str]) -> None:
        def number(name: str, least: float, most: float, usual: float) -> float:
            try:
                found = float(values[name])
            except (KeyError, ValueError):
                found = usual if name not in values else float("nan")
            if least <= found <= most:
                return found
            self.link_problems.append(
                f"The link's {name}={values[name][:40]} was dropped: expected a number from {least:g} to {most:g}."
            )
            return usual

        self.start = number("start", 0, 1e6, 0.0)
        self.stride = number("stride", 0.1, 100, 1.0)
        self.strength = number("strength", 0, 1, START_STRENGTH)
        length = number("length", 1, MOST_FRAMES, 0) if "length" in values else 0
        self.length = int(length) or None

    def _load_target(self, values: dict[str, str]) -> None:
        info = self.info
        self.layer = values.get("layer", nearest_spec.default_layer(info))
        text = values.get("filter", "")
        try:
            self.filter = int(text) if text else None
            Target(self.layer, self.filter or 0).check(info, self.clip_size)
        except (ValueError, C3dvisError) as error:
            reason = error.message if isinstance(error, C3dvisError) else f"{text[:40]!r} is no number."
            self.link_problems.append(f"The link's layer and filter were dropped. {reason}")
            self.layer, self.filter = nearest_spec.default_layer(info), None

    def query(self) -> dict[str, str]:
        """The query of the address: what differs from a visit without one."""
        usual = ProbeState(network=self.network, layer=nearest_spec.default_layer(self.info))
        names = ("layer", "filter", "start", "stride", "length", "fill", "size", "view", "file", "strength")
        changed = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(usual, name)}
        texts = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in changed.items()}
        return ({"network": self.network} if self.network != RenderSpec.network else {}) | texts

    @property
    def info(self) -> NetworkInfo:
        """Of the network."""
        return registry.describe(self.network)

    @property
    def clip_size(self) -> Size:
        """(frames, height, width) of the window at the network's size."""
        info = self.info
        frames, height, width = info.usable_size(info.layers[-1]) if self.size == "large" else info.default_size
        return self.length or frames, height, width

    @property
    def window(self) -> Window:
        """The window of the file."""
        return Window(self.start, self.stride, self.clip_size[0], self.fill)  # type: ignore[arg-type]

    def choose_network(self, name: str) -> None:
        """Show another network's default layer."""
        self.network, self.filter, self.length, self.error = name, None, None, None
        self.layer = nearest_spec.default_layer(self.info)

    def choose_layer(self, layer: str) -> None:
        """Show the filter of a layer that responds most."""
        self.layer, self.filter = layer, None
        if not _has_positions(self.info, layer, self.clip_size) and self.view == "feature_map":
            self.view = "grad_cam"

    def choose_file(self, name: str) -> None:
        """Show another file from its start."""
        self.file, self.start, self.fill, self.error = name, 0.0, "refuse", None


def _has_positions(info: NetworkInfo, layer: str, size: Size) -> bool:
    """Whether a layer has more than one position in height and width: else its feature maps show no place."""
    try:
        shape = info.output_shape(layer, *size)
    except C3dvisError:
        return False
    return shape[1] * shape[2] > 1


def target_query(state: ProbeState, target: Target) -> dict[str, str]:
    """The query of the page with another target; one without places is looked at by Grad-CAM."""
    view = state.view
    if view == "feature_map" and not _has_positions(state.info, target.layer, state.clip_size):
        view = "grad_cam"
    return (
        state.query()
        | {"layer": target.layer, "filter": str(target.filter)}
        | ({"view": view} if view != "feature_map" else {})
    )


def picture_spec(state: ProbeState, target: Target) -> RenderSpec | None:
    """The spec of a target's own picture; None where it cannot be rendered."""
    info = state.info
    try:
        if target.layer == info.layers[-1]:
            return classes.class_spec(info, target.filter)
        frames, height, width = info.default_size
        spec = RenderSpec(
            network=info.name, layer=target.layer, filter=target.filter, frames=frames, height=height, width=width
        )
        info.check(spec)
        return spec
    except InvalidSpec:
        return None
