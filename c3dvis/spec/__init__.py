"""What to render, as data: `RenderSpec`, its fields and its texts. Independent of networks."""

from c3dvis.spec.defaults_and_presets import ENGINE_DEFAULTS, MOTION_PRESETS, PRESETS
from c3dvis.spec.fields import FIELDS, Field
from c3dvis.spec.render_spec import ALGORITHM_VERSION, RenderSpec
from c3dvis.spec.values import parse_field

__all__ = [
    "ALGORITHM_VERSION",
    "ENGINE_DEFAULTS",
    "FIELDS",
    "MOTION_PRESETS",
    "PRESETS",
    "Field",
    "RenderSpec",
    "parse_field",
]
