"""The visitor of the page that runs, signing in and out, and the sessions that may upload."""

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st
from cachetools import LRUCache, TTLCache
from streamlit.runtime.scriptrunner import get_script_run_ctx

from c3dvis.access.claims import SIGN_IN_SECONDS, verified_address
from c3dvis.access.visitors import LOCAL, Act, Visitor, may, require, visitor_of
from c3dvis.errors import NotAllowed
from c3dvis.server_settings import server_settings

_SESSIONS = 10_000  # of which it is remembered that they signed out, or may upload

# Streamlit takes the visitor from a cookie when a session begins: other tabs, and a copy of the cookie, would still
# have the visitor who has signed out.
_signed_out: TTLCache[str, bool] = TTLCache(_SESSIONS, SIGN_IN_SECONDS)
_uploading: LRUCache[str, Mapping[str, Any]] = LRUCache(_SESSIONS)


def is_public() -> bool:
    """Whether the server is one that many people open."""
    return server_settings().mode == "public"


def auth_section() -> Mapping[str, Any]:
    """The section `[auth]` of Streamlit's secrets; empty if nobody can sign in."""
    if not st.secrets.load_if_toml_exists():
        return {}
    section = st.secrets.get("auth")
    return section.to_dict() if section else {}


def current_visitor() -> Visitor:
    """The visitor for whom the page runs; a guest unless everything about the sign-in is right."""
    return LOCAL if not is_public() else _visitor(st.user.to_dict())


def current_may(act: Act) -> bool:
    """Whether the visitor for whom the page runs may do something: whether to offer it."""
    return may(current_visitor(), act)


def require_current(act: Act) -> None:
    """Refuse what the visitor for whom the page runs may not do: before it is done.

    Raises:
        NotAllowed: the visitor may not.
    """
    require(current_visitor(), act)


def sign_out() -> None:
    """End the sign-in, in every tab of the browser; called in a run of the page."""
    _signed_out[_sign_in_name(st.user.to_dict())] = True
    st.logout()


def open_for_uploads() -> None:
    """Let the session that runs upload files, as long as its visitor may.

    Raises:
        NotAllowed: the visitor may not.
    """
    require_current("upload")
    if context := get_script_run_ctx():
        _uploading[context.session_id] = st.user.to_dict()


def may_upload(session_id: str) -> bool:
    """Whether a session may send a file now."""
    user = _uploading.get(session_id)
    return not is_public() or (user is not None and may(_visitor(user), "upload"))


def _visitor(user: Mapping[str, Any]) -> Visitor:
    access = server_settings().access
    try:
        address = verified_address(user, auth_section(), time.time())
    except NotAllowed as error:
        return Visitor("", "guest", error.message)
    if _sign_in_name(user) in _signed_out:
        return Visitor("", "guest", "You have signed out.")
    return visitor_of(address, access.members, access.operators)


def _sign_in_name(user: Mapping[str, Any]) -> str:
    """What tells one sign-in from another: the nonce, which Streamlit draws for each."""
    return repr([user.get(claim) for claim in ("iss", "sub", "nonce", "iat")])
