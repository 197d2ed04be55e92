"""Loads the comparison of the Compare page from its address."""

from urllib.parse import parse_qsl

import streamlit as st

from c3dvis.errors import InvalidSpec
from c3dvis.networks import nearest_spec
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.navigation import PageAddress, Query
from c3dvis.ui.shared.pinned_specs import MAX_SPECS, Comparison, parse_values, session_comparison


def current_comparison() -> Comparison:
    """The comparison to show: from the address if a link was opened, else the session's."""
    comparison = session_comparison()
    query = navigation.incoming_query("Compare", comparison.address)
    if not query:  # an address without query keeps what is pinned
        return comparison
    comparison = _comparison_of(query)
    st.session_state["comparison"] = comparison
    return comparison


def _comparison_of(query: Query) -> Comparison:
    """The comparison of a link; `link_problems` names what had to be dropped."""
    pinned: list[RenderSpec] = []
    problems: list[str] = []
    texts = query.get("spec", [])
    for text in texts[:MAX_SPECS]:
        spec, spec_problems = nearest_spec.read_link(dict(parse_qsl(text)))
        problems += spec_problems
        if spec in pinned:
            problems.append(f"The link names {spec.title} twice, with equal settings; it is shown once.")
        else:
            pinned.append(spec)
    if len(texts) > MAX_SPECS:
        problems.append(
            f"The link names {len(texts)} specs; {MAX_SPECS} fit beside each other, and the rest was dropped."
        )
    comparison = Comparison(pinned=pinned, link_problems=problems, address=PageAddress(navigation.current_query()))
    parameters = navigation.last_values(query)
    name = parameters.get("sweep")
    if name and pinned:
        try:
            comparison.swept_values = parse_values(pinned[0], name, parameters.get("values", ""))
            comparison.swept_field = name
        except InvalidSpec as error:
            problems.append(f"The link's sweep was dropped. {error}")
    return comparison
