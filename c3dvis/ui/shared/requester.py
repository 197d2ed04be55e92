"""Whose renders the queue counts and gives turns to.

On a public server it is the sign-in, in whatever tabs and browsers, since nobody else may render. In mode *local* it is
the network address, so that several people of one network take turns. A second sign-in, or address, counts as another
person.
"""

import hashlib

import streamlit as st

from c3dvis.access.sign_in import current_visitor
from c3dvis.queue import Requester


def current_requester() -> Requester:
    """The visitor for whom the page runs."""
    address = st.context.ip_address or ""  # behind a proxy on this machine, the address that the proxy names
    who = current_visitor().name or f"address {address}"
    return Requester(hashlib.sha256(who.encode()).hexdigest()[:16], address)
