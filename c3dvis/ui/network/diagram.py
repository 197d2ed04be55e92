"""The diagram of a network: its operations in the order the clip passes them, blocks with their branches side by side.

Each layer is a link to its filters in the Gallery.
"""

from collections.abc import Sequence
from html import escape
from itertools import groupby

import streamlit as st

from c3dvis.networks import nearest_spec
from c3dvis.networks.network_info import LayerRow, NetworkInfo
from c3dvis.spec import RenderSpec
from c3dvis.ui.components.layer_strip import shape_text
from c3dvis.ui.shared.page_links import PageLink

_TALLEST = 64  # CSS pixels of the bar of the largest feature map


def layer_link(info: NetworkInfo, row: LayerRow, label: str = "") -> PageLink | None:
    """The link to a layer's filters; None for an operation without filters.

    Args:
        info: of the network.
        row: the layer.
        label: of the link, if it is not the layer's name.
    """
    if not row.targetable:
        return None
    frames, height, width = info.default_size
    spec = RenderSpec(network=info.name, layer=row.name, filter=0, frames=frames, height=height, width=width)
    if min(row.output_shape) < 1:  # it needs a larger clip
        spec, _ = nearest_spec.fit(spec)
    query = {name: value for name, value in spec.to_query().items() if name != "filter"}
    return PageLink(label or row.name, "gallery", query, f"{row.name}: {shape_text(row.output_shape)}")


def draw_diagram(info: NetworkInfo) -> None:
    """Draw the diagram for a clip of the network's usual size; the style is in `page.css`."""
    rows = info.table(*info.default_size)
    tallest = max(_height(row) for row in rows)
    items = []
    for block, members in groupby(rows, key=lambda row: row.name.partition("/")[0]):
        *inside, last = members
        bar = f'<i style="height: {round(4 + (_TALLEST - 4) * (_height(last) / tallest) ** 0.5)}px"></i>'
        head = _operation(info, last, block if inside else last.name)
        kind = "layer" if last.targetable else "step"
        items.append(f'<li class="{kind}">{bar}{head}{_branches(info, block, [*inside, last])}</li>')
    st.html(f'<ol class="c3d-diagram" aria-label="Diagram of the network">{"".join(items)}</ol>')


def _branches(info: NetworkInfo, block: str, rows: Sequence[LayerRow]) -> str:
    """The operations inside a block, one line for each branch; nothing for a block of one operation."""
    branches: dict[str, list[str]] = {}
    for row in rows:
        _, *path = row.name.split("/")
        if path and len(rows) > 1:
            branch = path[0] if len(path) > 1 else block
            branches.setdefault(branch, []).append(_operation(info, row, path[-1].removeprefix("Conv3d_")))
    lines = "".join(f"<li>{' → '.join(operations)}</li>" for operations in branches.values())
    return f"<ul>{lines}</ul>" if lines else ""


def _operation(info: NetworkInfo, row: LayerRow, label: str) -> str:
    link = layer_link(info, row, label)
    return link.html() if link else f'<span title="{escape(row.kind.replace("_", " "))}">{escape(label)}</span>'


def _height(row: LayerRow) -> int:
    """Height of a feature map in positions."""
    return row.output_shape[1] if len(row.output_shape) == 4 else 1
