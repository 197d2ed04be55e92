"""Signing in and out in a browser, with a provider of the test's own: who gets in, who does not, and who sees what."""

import re

from playwright.sync_api import Browser, expect

from c3dvis.access.return_path import COOKIE
from tests.hosting.conftest import STORED, PublicServer
from tests.visit import Visit, visiting

QUERY = f"layer={STORED.layer}&filter={STORED.filter}"


def sign_in(visit: Visit) -> None:
    """Presses Sign in and comes back from the provider."""
    visit.press("Sign in")
    visit.page.wait_for_url(re.compile(r"/(\?.*)?$"))
    expect(visit.player).to_be_visible()


def test_who_has_not_signed_in_sees_what_is_stored_and_no_button_that_changes_it(
    browser: Browser, public_server: PublicServer
) -> None:
    with visiting(browser, public_server.url) as visit:
        visit.open(QUERY)
        expect(visit.page.get_by_text("You see what is stored here. To render, sign in.")).to_be_visible()
        expect(visit.page.get_by_role("button", name="Render", exact=True)).to_be_disabled()
        assert visit.canvas_pixels().std() > 20
        visit.page.goto(f"{public_server.url}/network?network=c3d-sports1m")
        expect(visit.page.get_by_text("are not on this server yet")).to_be_visible()
        for name in ("Fetch the weights", "Check the weights", "Browse files"):
            expect(visit.page.get_by_role("button", name=name)).to_have_count(0)


def test_a_member_signs_in_and_out_in_every_tab(browser: Browser, public_server: PublicServer) -> None:
    provider = public_server.provider
    before = provider.signed_out
    with visiting(browser, public_server.url) as visit:
        visit.home = "http://127.0.0.1:"  # the provider's pages too
        visit.page.goto(f"{public_server.url}/?{QUERY}")
        sign_in(visit)
        expect(visit.page.get_by_text("Signed in as ada@lab.example")).to_be_visible()
        expect(visit.page.get_by_role("button", name="Render", exact=True)).to_be_enabled()
        cookies = [cookie for cookie in visit.page.context.cookies() if "user" in cookie.get("name", "")]
        assert cookies
        assert all(cookie.get("httpOnly") and cookie.get("sameSite") == "Lax" for cookie in cookies)
        other = visit.page.context.new_page()
        other.goto(f"{public_server.url}/?{QUERY}")
        expect(other.get_by_role("button", name="Render", exact=True)).to_be_enabled()

        visit.press("Sign out")
        expect(visit.page.get_by_text("To render, sign in.")).to_be_visible()
        expect(visit.page.get_by_role("button", name="Render", exact=True)).to_be_disabled()
        assert provider.signed_out == before + 1, "the provider ended the sign-in too"
        other.get_by_role("button", name="Next filter").click()
        expect(other.get_by_text("You have signed out.")).to_be_visible()
        expect(other.get_by_role("button", name="Render", exact=True)).to_be_disabled()
        visit.page.context.add_cookies(cookies)  # type: ignore[arg-type]  # a copy of the cookie
        visit.page.goto(f"{public_server.url}/?{QUERY}")
        expect(visit.page.get_by_text("You have signed out.")).to_be_visible()
    assert provider.refused == []


def test_a_link_survives_the_sign_in(browser: Browser, public_server: PublicServer) -> None:
    with visiting(browser, public_server.url) as visit:
        visit.home = "http://127.0.0.1:"
        visit.page.goto(f"{public_server.url}/gallery?layer=Mixed_3c&sort=gain")
        visit.press("Sign in")
        expect(visit.page.get_by_text("Signed in as ada@lab.example")).to_be_visible()
        expect(visit.page).to_have_url(re.compile(r"/gallery\?.*layer=Mixed_3c"))
        expect(visit.page.get_by_role("heading", name="Mixed_3c")).to_be_visible()
        assert not [each for each in visit.page.context.cookies() if each.get("name") == COOKIE], "it has been used"


def test_an_operator_may_fetch_and_upload(browser: Browser, public_server: PublicServer) -> None:
    public_server.provider.reset("grace@lab.example")
    with visiting(browser, public_server.url) as visit:
        visit.home = "http://127.0.0.1:"
        visit.page.goto(f"{public_server.url}/?{QUERY}")
        sign_in(visit)
        expect(visit.page.get_by_text("Signed in as grace@lab.example (operator)")).to_be_visible()
        visit.page.goto(f"{public_server.url}/network?network=c3d-sports1m")
        expect(visit.page.get_by_role("button", name="Fetch the weights")).to_be_visible()
        expect(visit.page.get_by_text("Or upload a weights file")).to_be_visible()
