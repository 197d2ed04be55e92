"""Who a sign-in shows, and what visitors may do."""

import re
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from c3dvis.access.claims import SIGN_IN_SECONDS, verified_address
from c3dvis.access.visitors import Act, Visitor, is_listed, may, refusal, require, visitor_of
from c3dvis.errors import NotAllowed
from tests.hosting.oidc_provider import CLIENT_ID, right_claims

NOW = 1_800_000_000.0
AUTH = {
    "redirect_uri": "https://c3dvis.lab.example/oauth2callback",
    "client_id": CLIENT_ID,
    "client_secret": "s",
    "server_metadata_url": "https://id.example/.well-known/openid-configuration",
}


def test_a_right_sign_in_shows_its_address_in_small_letters() -> None:
    assert verified_address(right_claims(NOW, email="Ada@Lab.example"), AUTH, NOW) == "ada@lab.example"
    several = right_claims(NOW, aud=["another", CLIENT_ID], azp=CLIENT_ID)
    assert verified_address(several, AUTH, NOW) == "ada@lab.example"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"is_logged_in": None}, "^$"),
        ({"is_logged_in": "True"}, "^$"),
        ({"provider": "another"}, "for another program"),
        ({"aud": "another"}, "for another program"),
        ({"aud": "another", "azp": CLIENT_ID}, "for another program"),
        ({"aud": ["another"], "azp": CLIENT_ID}, "for another program"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "for another program"),
        ({"aud": None}, "for another program"),
        ({"iss": "https://id.example.org"}, "by another provider"),
        ({"iss": None}, "by another provider"),
        ({"iat": NOW - SIGN_IN_SECONDS - 1}, "older than a day"),
        ({"iat": NOW + 600}, "older than a day"),
        ({"iat": None}, "when it was issued"),
        ({"iat": True}, "when it was issued"),
        ({"iat": "1800000000"}, "when it was issued"),
        ({"email": None}, "no e-mail address"),
        ({"email": ["ada@lab.example"]}, "no e-mail address"),
        ({"email": "ada@lab.example\n@evil.example"}, "no e-mail address"),
        ({"email": "a@evil.example@lab.example"}, "no e-mail address"),
        ({"email_verified": False}, "has not verified"),
        ({"email_verified": None}, "has not verified"),
        ({"email_verified": "true"}, "has not verified"),
    ],
)
def test_a_claim_that_is_wrong_or_missing_shows_nobody(changes: dict, reason: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        verified_address(right_claims(NOW, **changes), AUTH, NOW)
    assert re.search(reason, caught.value.message)


def test_without_a_provider_in_the_secrets_nobody_has_signed_in() -> None:
    with pytest.raises(NotAllowed):
        verified_address(right_claims(NOW), {}, NOW)


def test_one_of_several_providers_speaks_for_itself_alone() -> None:
    named = {"redirect_uri": AUTH["redirect_uri"], "lab": AUTH, "town": AUTH | {"client_id": "town's"}}
    assert verified_address(right_claims(NOW, provider="lab"), named, NOW) == "ada@lab.example"
    with pytest.raises(NotAllowed, match="for another program"):
        verified_address(right_claims(NOW, provider="town"), named, NOW)
    with pytest.raises(NotAllowed, match="for another program"):
        verified_address(right_claims(NOW, provider="default"), named, NOW)


def test_members_render_and_operators_do_everything() -> None:
    roles = {
        address: visitor_of(address, ["lab.example", "eve@town.example"], ["grace@lab.example"]).role
        for address in ("ada@lab.example", "grace@lab.example", "eve@town.example", "bob@town.example")
    }
    assert list(roles.values()) == ["member", "operator", "member", "guest"]
    acts = get_args(Act)
    assert [act for act in acts if may(Visitor("", "guest"), act)] == []
    assert [act for act in acts if may(Visitor("a@b.c", "member"), act)] == ["render", "cancel"]
    assert [act for act in acts if not may(Visitor("a@b.c", "operator"), act)] == []


def test_a_refusal_says_who_may_and_why_not_the_visitor() -> None:
    guest = visitor_of("bob@town.example", ["lab.example"], [])
    sentence = (
        "Only visitors who have signed in may start a render. bob@town.example is not on this server's list. "
        "Ask who runs it."
    )
    assert refusal(guest, "render") == sentence
    assert refusal(Visitor("a@b.c", "member"), "fetch") == "Only the operators of this server may fetch weights."
    with pytest.raises(NotAllowed, match="may upload a file"):
        require(Visitor("a@b.c", "member"), "upload")
    require(Visitor("a@b.c", "operator"), "upload")


@pytest.mark.parametrize(
    ("address", "listed"),
    [
        ("ada@lab.example", True),
        ("ADA@LAB.EXAMPLE", True),
        ("ada@sub.lab.example", False),
        ("ada@evillab.example", False),
        ("ada@lab.example.org", False),
        ("lab.example@evil.org", False),
        ("ada@LAB.example ", False),
    ],
)
def test_a_domain_is_itself_alone(address: str, listed: bool) -> None:
    assert is_listed(address, ["Lab.Example"]) is listed
    assert is_listed(address, ["@lab.example"]) is listed


_SCALARS = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20) | st.just(CLIENT_ID)


@given(
    name=st.sampled_from(["is_logged_in", "provider", "aud", "azp", "iss", "iat", "email", "email_verified"]),
    value=_SCALARS | st.lists(_SCALARS, max_size=3) | st.dictionaries(st.text(max_size=5), _SCALARS, max_size=2),
)
def test_no_value_of_a_claim_shows_anybody_else(name: str, value: object) -> None:
    claims: dict[str, Any] = dict(right_claims(NOW)) | {name: value}
    try:
        address = verified_address(claims, AUTH, NOW)
    except NotAllowed:
        return
    assert claims["email_verified"] is True
    assert claims["is_logged_in"] is True
    assert CLIENT_ID in claims["aud"]
    assert address == str(claims["email"]).casefold()
