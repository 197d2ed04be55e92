"""The form of the Network page that adds a network from an uploaded model, for those who may upload.

The model is read as data, and proved, as `c3dvis networks add --architecture` does. What runs code of one's own, or
replaces a network that others render with, is for the command line.
"""

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from c3dvis.access.sign_in import current_may
from c3dvis.errors import C3dvisError, InvalidSpec
from c3dvis.networks.importers import setting_texts
from c3dvis.networks.registry import NetworkInfo
from c3dvis.ui.shared.plain_text import draw_error, plain
from c3dvis.ui.shared.server_resources import ServerResources
from c3dvis.ui.shared.upload import draw_upload

MAX_MEGABYTES = 400
_ADDED = "networks added"
_MODELS, _WEIGHTS = ["onnx", "keras", "h5", "json"], ["h5", "keras"]


def draw_add_form(resources: ServerResources, choose: Callable[[str], None]) -> None:
    """Draw the form; nothing for those who may not upload.

    Args:
        resources: of the server.
        choose: called with the name of the network that was added; the page then runs anew.
    """
    if not current_may("upload"):
        return
    added = st.session_state.setdefault(_ADDED, 0)  # part of the keys, so that the form is closed and empty after each
    with st.popover("Add a network", icon=":material/add:", key=f"add a network {added}"):
        st.caption(
            "An ONNX file (PyTorch and most other programs export it) or a Keras model. It is read as data, in a "
            "process of its own; no code in it runs. Then the program that it comes from computes every layer on two "
            "random clips, and c3dvis must agree, or the network is refused."
        )
        with st.form(f"add network {added}", border=False, enter_to_submit=False):
            values, uploads = _draw_controls(f"add{added}.")
            problem = st.empty()  # in view of whoever has pressed the button
            pressed = st.form_submit_button("Read and prove it", type="primary")
        if not pressed:
            return
        try:
            with problem.container():  # in place of an earlier refusal
                info = _add(resources, values, uploads)
        except C3dvisError as error:
            with problem.container():
                draw_error(error.message)
            return
    st.session_state[_ADDED] = added + 1
    choose(info.name)
    st.rerun()


def _draw_controls(prefix: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Draw the controls of the form, whose keys get a prefix; returns their texts, and the uploaded files, by name."""
    texts: dict[str, str] = {}
    uploads: dict[str, Any] = {}

    def text(name: str, label: str, value: str = "", what: str = "", maximum: int = 200) -> None:
        texts[name] = st.text_input(label, value, maximum, key=f"{prefix}{name}", help=what or None).strip()

    def upload(name: str, label: str, extensions: list[str], megabytes: int = MAX_MEGABYTES) -> None:
        uploads[name] = draw_upload(
            f"{label} (at most {megabytes} MB)", extensions, key=f"{prefix}{name}", max_megabytes=megabytes
        )

    upload("model", "Model: .onnx, .keras, .h5 or .json", _MODELS)
    text("name", "Name", what="Lower-case letters, digits, dots, dashes and underscores", maximum=60)
    low, high = st.columns(2)
    what = "The network's input for this colour: one number, or one for each channel with commas between"
    with low:
        text("low", "Input value of black", "0", what)
    with high:
        text("high", "Input value of white", "1", what)
    with st.expander("More about it"):
        upload("weights", "Weights, if they are in a file of their own", _WEIGHTS)
        upload("labels", "Names of the classes, one a line, in the order of the outputs", ["txt"], 1)
        texts["order"] = st.selectbox("Order of three channels", ("RGB", "BGR"), key=f"{prefix}order")
        text("size", "Clip size: frames, height, width", what="Empty takes the model's own, or 16,112,112")
        text(
            "shown", "Channels shown", "all",
            "Of a network with more than three: all side by side; three (0,1,2) as red, green and blue; or one (3) in "
            "grey",
        )  # fmt: skip
        texts["held"] = st.selectbox(
            "Other inputs hold",
            ("middle", "zeros"),
            key=f"{prefix}held",
            help="Where the model has inputs beside the clip",
        )
        text("title", "Title")
        text("licence", "Licence of the weights")
    return texts, uploads


def _add(resources: ServerResources, texts: Mapping[str, str], uploads: Mapping[str, Any]) -> NetworkInfo:
    """Add the network of the form's values."""
    if not texts["name"]:
        raise InvalidSpec("The network needs a name.")
    if uploads["model"] is None:
        raise InvalidSpec("There is no model: expected an .onnx, .keras, .h5 or .json file.")
    bounds = setting_texts.numbers(texts["low"]), setting_texts.numbers(texts["high"])
    size = setting_texts.size(texts["size"]) if texts["size"] else None
    shown = setting_texts.shown_channels(texts["shown"])
    with tempfile.TemporaryDirectory() as folder:
        files = {kind: _stored(upload, Path(folder) / kind) for kind, upload in uploads.items()}
        try:
            with st.spinner(f"Reading and proving {plain(uploads['model'].name)} …"):
                return resources.add_network(
                    texts["name"], files["model"], files["weights"], bounds, texts["order"], size, texts["title"],
                    texts["licence"], files["labels"], shown, texts["held"],
                )  # fmt: skip
        except C3dvisError as error:
            raise type(error)(re.sub(rf"{re.escape(folder)}/\w+/", "", error.message)) from None


def _stored(upload: Any, folder: Path) -> Path | None:
    """Write an upload to a folder of its own, under its name as far as that is harmless."""
    if upload is None:
        return None
    folder.mkdir()
    path = folder / (re.sub(r"[^A-Za-z0-9._-]", "_", upload.name)[-100:].lstrip(".") or "file")
    with path.open("wb") as file:
        while chunk := upload.read(1 << 20):
            file.write(chunk)
    return path
