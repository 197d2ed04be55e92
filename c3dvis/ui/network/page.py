"""The Network page: the layer table of a network, the provenance of its weights, and how to install them.

Visitors can install weights only for a network without weights, and operators add networks under new names. Installed
weights can be replaced only on the command line, since other visitors render with them.
"""

import tempfile
from pathlib import Path

import streamlit as st

from c3dvis.access.sign_in import current_may
from c3dvis.errors import C3dvisError
from c3dvis.files import byte_size
from c3dvis.networks import c3d_options, registry
from c3dvis.networks.network_info import BEYOND_THE_CLIP
from c3dvis.networks.registry import NetworkInfo
from c3dvis.networks.weights import installed_weights, provenance
from c3dvis.networks.weights.published_files import WEIGHTS_AT_URLS
from c3dvis.spec.text import size_text
from c3dvis.ui.network.add_form import draw_add_form
from c3dvis.ui.network.diagram import draw_diagram, layer_link
from c3dvis.ui.network.page_state import NetworkState
from c3dvis.ui.shared.control import bound
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.navigation import current_state, write_address
from c3dvis.ui.shared.page_title import draw_title
from c3dvis.ui.shared.plain_text import draw_error, plain
from c3dvis.ui.shared.server_resources import ServerResources, server_resources
from c3dvis.ui.shared.table import draw_table
from c3dvis.ui.shared.upload import draw_upload
from c3dvis.ui.shared.weights_notice import accepted_key, draw_weights_notice

UPLOADS = {"i3d-kinetics400": (60, ["ckpt", "gz"]), "c3d-sports1m": (400, None)}
"""Networks whose weights can be uploaded: the largest file in megabytes, and the file extensions (None: any)."""

_PADDING = {
    "caffe": "Caffe does, as it was trained: one row and column at the end",
    "table": "the published table of its Keras ports does: a row and a column on every side, with other class scores",
}


def page() -> None:
    """Draw the page."""
    with error_boundary("Network"):
        state = current_state("network", NetworkState)
        write_address(state)
        _draw(server_resources(), state)


def _draw(resources: ServerResources, state: NetworkState) -> None:
    state.draw_link_problems()
    names = registry.names()

    def choose(name: str) -> None:
        state.network = name

    binding = bound("network page", state.network, choose, names)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Network", names, names.index(state.network), format_func=registry.title, **binding)
        draw_add_form(resources, choose)
    info = registry.describe(state.network)
    draw_title(info.title)
    with st.container(key="network"):  # in a narrow window page.css puts the weights above the layers
        layers, weights = st.columns([5, 3], gap="large")
    with weights:
        _draw_weights(resources, info)
    with layers:
        st.markdown("## Layers")
        st.caption(
            f"For a clip of {size_text(info.default_size)}. The receptive field is the part of the clip "
            f"(frames × rows × columns) that one position of the layer sees. {BEYOND_THE_CLIP} "
            "A layer leads to its filters."
        )
        draw_diagram(info)
        _draw_layer_table(info)


def _draw_layer_table(info: NetworkInfo) -> None:
    rows = info.table(*info.default_size)
    cells = [
        (
            layer_link(info, row, title := f"{row.name} ({row.kind.replace('_', ' ')})") or title,
            str(row.output_shape) if min(row.output_shape) >= 1 else "needs a larger clip",
            f"{row.parameters:,}",
            " × ".join(map(str, row.receptive_field)),
        )
        for row in rows
    ]
    total = sum(row.parameters for row in rows)
    cells.append(("Total", "", f"{total:,}", ""))
    draw_table(("Layer (type)", "Output shape", "Parameters", "Receptive field"), cells, total=True)


def _draw_weights(resources: ServerResources, info: NetworkInfo) -> None:
    st.markdown("## Weights")
    draw_weights_notice(resources, info.name)
    if installed_weights.present(info):
        lines, digest = _provenance(info)
        st.markdown("\n".join(f"- **{name}**: {plain(text)}" for name, text in lines))
        st.caption("SHA-256 of the file that they were made from")
        st.code(digest, language=None, wrap_lines=True)
        if current_may("check weights") and st.button(
            "Check the weights", key="check", help="Reads every value and compares it with its hash"
        ):
            _check(resources, info)
    elif info.name in UPLOADS and current_may("upload"):
        _draw_upload(resources, info)
    if installed_weights.present(info) or info.name not in WEIGHTS_AT_URLS:  # else the notice above shows the terms
        st.markdown("## Licence")
        st.markdown(WEIGHTS_AT_URLS[info.name].terms if info.name in WEIGHTS_AT_URLS else plain(f"{info.licence}."))
    if info.name == "c3d-sports1m":
        _draw_input_and_padding(info)


def _provenance(info: NetworkInfo) -> tuple[list[tuple[str, str]], str]:
    """The provenance of the installed weights as (title, text) lines, and the SHA-256 of their source file."""
    lines = [("File", f"{info.weights_file}, {byte_size(info.weights_path.stat().st_size)}")]
    recorded = provenance.read(info.weights_path)
    digest = info.weights_sha256 or ""
    if recorded:
        source = recorded.source
        texts = {
            "Made from": source.get("name"), "Fetched from": source.get("url"), "Recognised as": source.get("known"),
            "Format": source.get("format"), "Layout": source.get("layout"), "Parameters": f"{recorded.parameters:,}",
            "Missing layers": ", ".join(recorded.missing),
        }  # fmt: skip
        lines += [(title, text) for title, text in texts.items() if text]
        digest = source.get("sha256", "")
    else:
        lines.append(("From", info.source))
    proof, remarks = installed_weights.proof(info), installed_weights.remarks(info)
    lines.append(("Proved" if proof.is_proved else "Not proved", proof.detail))
    lines += [(title, text) for title, text in (("Left out", remarks.left_out), ("Held", remarks.held)) if text]
    lines.append(("Fingerprint", f"{installed_weights.fingerprint(info)[:16]}…, part of the key of every result"))
    return lines, digest or provenance.digest(info.weights_path)[0]


def _check(resources: ServerResources, info: NetworkInfo) -> None:
    try:
        with st.spinner("Reading every value …"):
            resources.check_weights(info)
    except C3dvisError as error:
        draw_error(error.message)
    else:
        st.success("The weights are whole: every value is the one that was stored.", icon=":material/check:")


def _draw_upload(resources: ServerResources, info: NetworkInfo) -> None:
    max_megabytes, extensions = UPLOADS[info.name]
    what = "Keras .h5, Caffe, PyTorch or .npz" if extensions is None else "the published .ckpt, or the package with it"
    accepted = info.name not in WEIGHTS_AT_URLS or st.session_state.get(accepted_key(info.name), False)
    upload = draw_upload(
        f"Or upload a weights file ({what}; at most {max_megabytes} MB)", extensions, key=f"upload {info.name}",
        max_megabytes=max_megabytes, disabled=not accepted,
        help="It is read as plain arrays, in a process of its own; nothing in it is run.",
    )  # fmt: skip
    if not accepted:
        st.caption("Accept the terms above first.")
    if upload is None:
        return
    try:
        with st.spinner(f"Reading {plain(upload.name)} …"), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload"
            with path.open("wb") as file:
                while chunk := upload.read(1 << 20):
                    file.write(chunk)
            resources.install_weights(info, path, upload.name[:200])
    except C3dvisError as error:
        draw_error(error.message.replace(str(path), upload.name))
        return
    st.rerun()  # the whole page, which now shows the provenance in place of the upload


def _draw_input_and_padding(info: NetworkInfo) -> None:
    """Describe what the network subtracts from its input, and how it pads before pool5."""
    chosen, mean, _ = c3d_options.stored(info.name)
    red, green, blue = (f"{-low:.2f}" for low in info.domain.low)
    how = "a mean file of this machine's operator" if mean else "the channel means of its usual mean file"
    st.markdown("## Input")
    st.markdown(
        f"Frames in BGR, 0 to 255, less {how} (red {red}, green {green}, blue {blue}); clips are shown in RGB with the "
        f"mean added back. Before pool5 the network pads as {_PADDING[chosen.pool5_padding]}."
    )
