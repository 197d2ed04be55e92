"""The Network page: a network's layer table, where its weights are from, and the ways to bring them here.

What a visitor can do here adds weights where there are none. What is here already is replaced on the command line
alone: others render with it.
"""

import tempfile
from pathlib import Path

import streamlit as st

from c3dvis.errors import C3dvisError
from c3dvis.networks import options, registry
from c3dvis.networks.registry import NetworkInfo
from c3dvis.networks.weights import installed_weights, obtain, provenance
from c3dvis.networks.weights.published_files import WEIGHTS_AT_URLS
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared import navigation, weights_notice
from c3dvis.ui.shared.error_boundary import guarded
from c3dvis.ui.shared.markdown_table import table
from c3dvis.ui.shared.services import Services, services

UPLOADS = {"i3d-kinetics400": (60, ["ckpt", "gz"]), "c3d-sports1m": (400, None)}
"""Networks whose weights can be uploaded: megabytes at most, and the endings of the files."""


def page() -> None:
    """Draw the page; a failure of ours is shown as its one sentence."""
    with guarded("Network"):
        navigation.enter("Network")
        _draw(services())


def _draw(shared: Services) -> None:
    names = registry.names()
    first = st.session_state.get("c.network", RenderSpec().network)
    name = st.selectbox(
        "Network", names, index=names.index(first) if first in names else 0, key="network page",
        format_func=registry.title,
    )  # fmt: skip
    info = registry.describe(name)
    frames, height, width = info.default_size
    st.markdown(f"### {info.title}")
    with st.container(key="network"):  # in a narrow window, where these stack, the weights come first (page.css)
        layers, weights = st.columns([5, 3], gap="large")
    with weights:
        _draw_weights(shared, info)
    with layers:
        st.markdown("#### Layers")
        st.caption(
            f"For a clip of {frames} frames of {width} × {height}. A layer *sees* so many frames × rows × columns of "
            "the clip from each of its positions (its receptive field)."
        )
        _draw_table(info)


def _draw_table(info: NetworkInfo) -> None:
    rows = info.table(*info.default_size)
    cells = [
        (
            f"{row.name} ({row.kind.replace('_', ' ')})",
            str(row.output_shape),
            f"{row.parameters:,}",
            " × ".join(map(str, row.receptive_field)),
        )
        for row in rows
    ]
    total = sum(row.parameters for row in rows)
    cells.append(("**Total**", "", f"**{total:,}**", ""))
    table(("Layer (type)", "Output shape", "Parameters", "Sees (t × h × w)"), cells, "")


def _draw_weights(shared: Services, info: NetworkInfo) -> None:
    st.markdown("#### Weights")
    weights_notice.draw(shared, info.name)
    if installed_weights.present(info):
        lines, digest = _provenance(info)
        st.markdown("\n".join(f"- **{name}**: {text}" for name, text in lines))
        st.caption("SHA-256 of the file that they were made from")
        st.code(digest, language=None, wrap_lines=True)
        if st.button("Check the weights", key="check", help="Reads every value and holds it against its hash"):
            _check(info)
    elif info.name in UPLOADS:
        _draw_upload(info)
    if installed_weights.present(info) or info.name not in WEIGHTS_AT_URLS:  # else the notice above has the terms
        st.markdown("#### Licence")
        st.markdown(WEIGHTS_AT_URLS[info.name].terms if info.name in WEIGHTS_AT_URLS else f"{info.licence}.")
    if info.name == "c3d-sports1m":
        _draw_settings(info)


def _provenance(info: NetworkInfo) -> tuple[list[tuple[str, str]], str]:
    """What is known of the weights here, and the SHA-256 of the file that they come from."""
    size = info.weights_path.stat().st_size
    lines = [("Here", f"`{info.weights_file}`, {size / 1e6:.1f} MB")]
    noted = provenance.read(info.weights_path)
    digest = info.weights_sha256 or ""
    if noted:
        told = {
            "Made from": noted.source.get("name"), "Fetched from": noted.source.get("url"),
            "Known as": noted.source.get("known"), "Its format": noted.source.get("format"),
            "Its layout": noted.source.get("layout"), "Parameters": f"{noted.parameters:,}",
            "Lacks": ", ".join(noted.missing),
        }  # fmt: skip
        lines += [(name, text) for name, text in told.items() if text]
        digest = noted.source.get("sha256", "")
    else:
        lines.append(("From", info.source))
    lines.append(("Fingerprint", f"`{installed_weights.fingerprint(info)[:16]}…`, part of the key of every picture"))
    return lines, digest or provenance.digest(info.weights_path)[0]


def _check(info: NetworkInfo) -> None:
    try:
        with st.spinner("Reading every value …"):
            obtain.check(info)
    except C3dvisError as error:
        st.error(str(error), icon=":material/error:")
    else:
        st.success("The weights are whole: every value is the one they were stored with.", icon=":material/check:")


def _draw_upload(info: NetworkInfo) -> None:
    most, endings = UPLOADS[info.name]
    what = "Keras .h5, Caffe, PyTorch or .npz" if endings is None else "the published .ckpt, or the package with it"
    accepted = info.name not in WEIGHTS_AT_URLS or st.session_state.get(weights_notice.accepted_key(info.name), False)
    given = st.file_uploader(
        f"Or bring a weights file ({what}; at most {most} MB)", endings, key=f"upload {info.name}",
        max_upload_size=most, disabled=not accepted,
        help="It is read as plain arrays, in a process of its own; nothing in it is run.",
    )  # fmt: skip
    if not accepted:
        st.caption("Accept the terms above first.")
    if given is None:
        return
    try:
        with st.spinner(f"Reading {given.name} …"), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "upload"
            with path.open("wb") as file:
                while chunk := given.read(1 << 20):
                    file.write(chunk)
            obtain.install(info, path, name=given.name[:200])
    except C3dvisError as error:
        shown = str(error).replace(str(path), given.name)
        st.error(shown, icon=":material/error:")
        return
    st.rerun()  # the whole page: there are weights now


def _draw_settings(info: NetworkInfo) -> None:
    chosen, mean, _ = options.stored(info.name)
    red, green, blue = (f"{-low:.2f}" for low in info.domain.low)
    how = "a mean file of this machine's operator" if mean else "the channel means of its usual mean file"
    st.markdown("#### Input")
    st.markdown(
        f"Frames in BGR, 0 to 255, less {how} (red {red}, green {green}, blue {blue}); clips are shown in RGB with the "
        f"mean added back. Before pool5 the network pads as {_PADDING[chosen.pool5_padding]}."
    )


_PADDING = {
    "caffe": "Caffe does, as it was trained: one row and column at the end",
    "table": "the published table of its Keras ports does: a row and a column on every side, with other class scores",
}
