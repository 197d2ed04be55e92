"""Checks the claims of a sign-in (OpenID Connect) that Streamlit has taken over from the provider.

Streamlit verifies the signature, the nonce, the issuer, and that the token has not expired when the visitor signs in.
It does not verify that the token was issued for this server if the token names another audience beside an authorised
party, nor that the provider has verified the e-mail address, and it accepts its cookie for 30 days. All of that is
verified here, in every act.
"""

import re
from collections.abc import Mapping
from typing import Any

from c3dvis.errors import NotAllowed

SIGN_IN_SECONDS = 24 * 3600
"""For how long a sign-in counts: a day."""

_CLOCKS = 120  # seconds by which the clocks of provider and server may differ
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
_DISCOVERY = "/.well-known/openid-configuration"


def verified_address(user: Mapping[str, Any], auth: Mapping[str, Any], now: float) -> str:
    """The e-mail address of a visitor who has signed in.

    Args:
        user: the claims of the ID token, with Streamlit's own `is_logged_in` and `provider`.
        auth: the section `[auth]` of Streamlit's secrets.
        now: in seconds since 1970.

    Raises:
        NotAllowed: the claims do not show who it is; the message says what is wrong, and is empty if nobody signed in.
    """
    if user.get("is_logged_in") is not True or not auth:
        raise NotAllowed
    provider = provider_section(auth, str(user.get("provider", "")))
    audience, party = user.get("aud"), user.get("azp", provider.get("client_id"))
    audiences = audience if isinstance(audience, list) else [audience]
    if provider.get("client_id") not in audiences or party != provider["client_id"]:
        raise NotAllowed("The sign-in was issued for another program. Sign in again.")
    if str(user.get("iss", "")).rstrip("/") != issuer(provider):
        raise NotAllowed("The sign-in was issued by another provider. Sign in again.")
    issued = user.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        raise NotAllowed("The sign-in does not say when it was issued. Sign in again.")
    if not -_CLOCKS <= now - issued <= SIGN_IN_SECONDS:
        raise NotAllowed("The sign-in is older than a day. Sign out, and sign in again.")
    address = user.get("email")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise NotAllowed("The provider of the sign-in gave no e-mail address.")
    if user.get("email_verified") is not True:
        raise NotAllowed(f"The provider of the sign-in has not verified the address {address}.")
    return address.casefold()


def provider_names(auth: Mapping[str, Any]) -> list[str]:
    """The providers of a section `[auth]`, as `st.login` names them; `default` has no section of its own."""
    named = [name for name, section in auth.items() if isinstance(section, Mapping) and "client_id" in section]
    return [*(["default"] if "client_id" in auth else []), *named]


def provider_section(auth: Mapping[str, Any], provider: str) -> Mapping[str, Any]:
    """The settings of one provider; empty if there are none."""
    if provider not in provider_names(auth):
        return {}
    return auth if provider == "default" and "default" not in auth else auth[provider]


def issuer(provider: Mapping[str, Any]) -> str:
    """The issuer whose metadata are at the provider's address, by OpenID Connect Discovery, without a final slash."""
    return str(provider.get("server_metadata_url", "")).removesuffix(_DISCOVERY).rstrip("/")
