"""Who has signed in on a public server, and how to sign in and out."""

import streamlit as st

from c3dvis.access.claims import provider_names
from c3dvis.access.sign_in import auth_section, current_visitor, is_public, sign_out
from c3dvis.ui.shared.plain_text import plain


def draw_account() -> None:
    """Draw the visitor's account in one line; nothing in mode *local*, or in a page that another one embeds."""
    if not is_public() or st.context.is_embedded:
        return
    visitor, providers = current_visitor(), provider_names(auth_section())
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center", key="account"):
        if visitor.role != "guest":
            title = " (operator)" if visitor.role == "operator" else ""
            st.caption(f"Signed in as {plain(visitor.name)}{title}", width="content")
            st.button("Sign out", key="sign out", type="tertiary", on_click=sign_out)
            return
        sentence = visitor.reason or "You see what is stored here."
        if not providers:
            st.caption(plain(sentence), width="content")
        elif st.user.get("is_logged_in"):
            st.caption(plain(sentence), width="content")
            st.button("Sign out", key="sign out", type="tertiary", on_click=sign_out)
        else:
            st.caption(f"{plain(sentence)} To render, sign in.", width="content")
            for name in providers:
                label = "Sign in" if len(providers) == 1 else f"Sign in with {plain(name)}"
                st.button(label, key=f"sign in {name}", type="tertiary", on_click=st.login, args=(name,))
