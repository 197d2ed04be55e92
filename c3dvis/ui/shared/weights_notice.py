"""The notice that a network's weights are missing on this machine, with the button that fetches them."""

import streamlit as st

from c3dvis.access.sign_in import current_may
from c3dvis.networks import registry
from c3dvis.networks.weights import installed_weights
from c3dvis.networks.weights.published_files import PACKAGED_WEIGHTS, WEIGHTS_AT_URLS
from c3dvis.ui.shared.error_boundary import error_boundary
from c3dvis.ui.shared.plain_text import draw_caption, draw_error, plain
from c3dvis.ui.shared.server_resources import ServerResources
from c3dvis.ui.shared.weights_fetch import WeightsFetch

_REFRESH = 0.5  # seconds between two refreshes during a fetch
_FETCH = "weights fetch"  # session key of the fetch that this visitor asked for, whose failure is told to no one else


def weights_missing(network: str) -> bool:
    """Whether a network cannot be rendered because its weights are not on this machine."""
    return not installed_weights.present(registry.describe(network))


def cannot_render(network: str) -> bool:
    """Whether a render of a network would be refused: its weights are missing, or the visitor may not render."""
    return weights_missing(network) or not current_may("render")


def draw_weights_notice(resources: ServerResources, network: str) -> None:
    """Draw the notice with the offer or the progress of a fetch; nothing if the weights are installed."""
    if not weights_missing(network):
        return
    fetch = resources.weights_fetch(network)
    running = bool(fetch and not fetch.finished)
    st.fragment(_notice, run_every=_REFRESH if running else None)(resources, network, running)


def draw_proof_notice(network: str) -> None:
    """Draw why a network was not compared with its framework, if it was not, and what its other inputs hold."""
    info = registry.describe(network)
    if not installed_weights.present(info):
        return
    if not (proof := installed_weights.proof(info)).is_proved:
        draw_caption(f"{info.title}. {proof}")
    if held := installed_weights.remarks(info).held:
        draw_caption(f"{info.title}. {held}")


@error_boundary("Network")
def _notice(resources: ServerResources, network: str, was_running: bool) -> None:
    fetch = resources.weights_fetch(network)
    running = bool(fetch and not fetch.finished)
    with st.container(border=True, key="weights"):
        if fetch and running:
            _draw_fetch(fetch, network)
        else:
            asked_for = fetch is not None and st.session_state.get(_FETCH) is fetch
            _draw_offer(resources, network, fetch.error if fetch and asked_for else None)
    if running != was_running:
        st.rerun()  # the whole page: it starts or stops to refresh, and Render becomes possible


def accepted_key(network: str) -> str:
    """Session key of the checkbox in which a visitor accepts the terms of a network's weights."""
    return f"accept {network}"


def _draw_fetch(fetch: WeightsFetch, network: str) -> None:
    received, total = fetch.received, fetch.total
    fraction = min(1.0, received / total) if total else 0.0
    amount = f"{received / 1e6:.1f} of {total / 1e6:.0f} MB" if total else f"{received / 1e6:.1f} MB"
    if total and received >= total:
        amount = "checking the file"
    st.progress(fraction, text=f"Fetching the weights of {plain(registry.describe(network).title)}: {amount}")


def _draw_offer(resources: ServerResources, network: str, error: str | None) -> None:
    info = registry.describe(network)
    title, terms = plain(info.title), _size_and_terms(network)
    if terms is None:
        st.markdown(f"**The weights of {title} are not on this machine**, and there is no address to fetch them.")
        st.code(info.how_to_get, language="bash")
        return
    if not current_may("fetch"):
        st.markdown(f"**The weights of {title} are not on this server yet.** Stored results can be viewed.")
        return
    st.markdown(
        f"**The weights of {title} are not on this machine yet.** Stored results can be viewed; "
        f"to render, fetch the weights ({terms}"
    )
    accepted = True
    if network in WEIGHTS_AT_URLS:
        # Streamlit drops a checkbox's value when it is not drawn, as during a fetch: keep a copy.
        copy_key = f"{accepted_key(network)} was"
        before = st.session_state.get(copy_key, False)
        accepted = st.checkbox("I accept these terms", before, key=accepted_key(network))
        if accepted != before:
            st.session_state[copy_key] = accepted
            st.rerun()  # the whole page: the upload on the Network page waits for the terms too
    if error:
        draw_error(error)

    def fetch() -> None:
        st.session_state[_FETCH] = resources.start_weights_fetch(network)

    st.button("Fetch the weights", key="fetch", type="primary", disabled=not accepted, on_click=fetch)


def _size_and_terms(network: str) -> str | None:
    """Size, verification and terms of a network's weights, after an opening bracket; None if they have no address."""
    if network in PACKAGED_WEIGHTS:
        source = PACKAGED_WEIGHTS[network]
        return f"{source.archive_size / 1e6:.0f} MB, verified by hash). {source.licence}"
    if network in WEIGHTS_AT_URLS:
        address = WEIGHTS_AT_URLS[network]
        return f"{address.megabytes} MB, checked before they are used). {address.terms}"
    return None
