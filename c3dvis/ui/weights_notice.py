"""What the page says where a network's weights are not on this machine, and the offer to fetch them."""

import streamlit as st

from c3dvis.networks import registry
from c3dvis.networks.weights.sources import SOURCES
from c3dvis.ui.services import Fetch, Services

_POLL = 0.5  # seconds between two looks at a running fetch


def missing(network: str) -> bool:
    """Whether a network cannot be rendered here because its weights are not on this machine."""
    return not registry.describe(network).weights_installed()


def draw(shared: Services, network: str) -> None:
    """Say that weights are missing and offer the fetch; nothing where they are there."""
    if not missing(network):
        return
    fetch = shared.fetch(network)
    running = bool(fetch and not fetch.finished)
    st.fragment(_notice, run_every=_POLL if running else None)(shared, network, running)


def _notice(shared: Services, network: str, was_running: bool) -> None:
    fetch = shared.fetch(network)
    running = bool(fetch and not fetch.finished)
    _draw(shared, network, fetch if running else None, fetch.error if fetch else None)
    if running != was_running:
        st.rerun()  # the page starts to look again, or stops to, and Render becomes possible


def _draw(shared: Services, network: str, fetch: Fetch | None, error: str | None) -> None:
    info = registry.describe(network)
    source = SOURCES.get(network)
    with st.container(border=True, key="weights"):
        if source is None:
            st.markdown(
                f"**The weights of {info.title} are not on this machine**, and cannot be fetched for you: "
                f"bring your own Keras-layout `.h5` file. Licence: {info.licence}."
            )
            st.code(f"c3dvis weights fetch {network} --file FILE.h5", language="bash")
            return
        size = f"{source.archive_size / 1e6:.0f} MB"
        if fetch:
            share = min(1.0, fetch.done / fetch.total) if fetch.total else 0.0
            doing = "Checking" if share == 1 else "Fetching"
            st.progress(share, text=f"{doing} the weights of {info.title}: {fetch.done / 1e6:.1f} of {size}")
            return
        st.markdown(
            f"**The weights of {info.title} are not on this machine yet.** What is stored can be seen; "
            f"to render, fetch them ({size}, verified by hash). {source.licence}"
        )
        if error:
            st.error(error, icon=":material/error:")
        st.button("Fetch the weights", key="fetch", type="primary", on_click=shared.start_fetch, args=(network,))
