"""What the page says where a network's weights are not on this machine, and the offer to fetch them."""

import streamlit as st

from c3dvis.networks import registry
from c3dvis.networks.weights import installed_weights
from c3dvis.networks.weights.published_files import PACKAGED_WEIGHTS, WEIGHTS_AT_URLS
from c3dvis.ui.shared.error_boundary import guarded
from c3dvis.ui.shared.services import Fetch, Services

_POLL = 0.5  # seconds between two looks at a running fetch


def missing(network: str) -> bool:
    """Whether a network cannot be rendered here because its weights are not on this machine."""
    return not installed_weights.present(registry.describe(network))


def draw(shared: Services, network: str) -> None:
    """Say that weights are missing and offer the fetch; nothing where they are there."""
    if not missing(network):
        return
    fetch = shared.fetch(network)
    running = bool(fetch and not fetch.finished)
    st.fragment(_notice, run_every=_POLL if running else None)(shared, network, running)


@guarded("Network")
def _notice(shared: Services, network: str, was_running: bool) -> None:
    fetch = shared.fetch(network)
    running = bool(fetch and not fetch.finished)
    _draw(shared, network, fetch if running else None, fetch.error if fetch else None)
    if running != was_running:
        st.rerun()  # the page starts to look again, or stops to, and Render becomes possible


def accepted_key(network: str) -> str:
    """Session key of the box in which a visitor accepts the terms of a network's weights."""
    return f"accept {network}"


def _draw(shared: Services, network: str, fetch: Fetch | None, error: str | None) -> None:
    info = registry.describe(network)
    with st.container(border=True, key="weights"):
        if fetch:
            st.progress(_share(fetch), text=f"Fetching the weights of {info.title}: {_amount(fetch)}")
            return
        offer = _offer(network)
        if offer is None:
            st.markdown(f"**The weights of {info.title} are not on this machine**, and have no address.")
            st.code(info.how_to_get, language="bash")
            return
        st.markdown(
            f"**The weights of {info.title} are not on this machine yet.** What is stored can be seen; "
            f"to render, fetch them ({offer}"
        )
        accepted = True
        if network in WEIGHTS_AT_URLS:
            kept = f"{accepted_key(network)} was"  # the box is not drawn while a fetch runs, and would forget
            before = st.session_state.get(kept, False)
            accepted = st.checkbox("I accept these terms", before, key=accepted_key(network))
            if accepted != before:
                st.session_state[kept] = accepted
                st.rerun()  # the whole page: what else waits for the terms is not drawn here
        if error:
            st.error(error, icon=":material/error:")
        st.button(
            "Fetch the weights", key="fetch", type="primary", disabled=not accepted, on_click=shared.start_fetch,
            args=(network,),
        )  # fmt: skip


def _offer(network: str) -> str | None:
    """Size, verification and terms of a network's weights, behind an opened bracket; None if they have no address."""
    if network in PACKAGED_WEIGHTS:
        source = PACKAGED_WEIGHTS[network]
        return f"{source.archive_size / 1e6:.0f} MB, verified by hash). {source.licence}"
    if network in WEIGHTS_AT_URLS:
        address = WEIGHTS_AT_URLS[network]
        return f"{address.megabytes} MB, looked through before they are used). {address.terms}"
    return None


def _share(fetch: Fetch) -> float:
    return min(1.0, fetch.done / fetch.total) if fetch.total else 0.0


def _amount(fetch: Fetch) -> str:
    if fetch.total and fetch.done >= fetch.total:
        return "checking what came"
    return f"{fetch.done / 1e6:.1f} of {fetch.total / 1e6:.0f} MB" if fetch.total else f"{fetch.done / 1e6:.1f} MB"
