"""The state of one visitor's Network page: the network whose layers and weights are shown."""

from dataclasses import dataclass, field

import streamlit as st

from c3dvis.networks import nearest_spec, registry
from c3dvis.spec import RenderSpec
from c3dvis.ui.shared import navigation
from c3dvis.ui.shared.navigation import PageState, Query


def _explored_network() -> str:
    """The network of the Explore page, if this session has shown it."""
    explored = st.session_state.get("explore")
    network = explored.focus.network if explored else RenderSpec().network
    return network if network in registry.names() else RenderSpec().network


@dataclass
class NetworkState(PageState):
    """The state of one visitor's page.

    Attributes:
        network: name in the registry.
    """

    network: str = field(default_factory=_explored_network)

    def load(self, query: Query) -> None:
        """Take the state from an address; without a network in it, the explored one stays."""
        values = navigation.last_values(query)
        if "network" in values:
            spec, self.link_problems = nearest_spec.read_link({"network": values["network"]})
            self.network = spec.network

    def query(self) -> dict[str, str]:
        """The query of the address."""
        return {"network": self.network}
