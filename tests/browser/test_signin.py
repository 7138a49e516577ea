"""Signing up, adding a passkey, signing out, signing in with it: as somebody with a mailbox and a browser would."""

import re
import secrets
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Literal

import pytest
from playwright.sync_api import CDPSession

from tests.browser.conftest import Reader
from tests.browser.test_pages import findings
from tests.live import Site, wait_for

Open = Callable[..., Reader]
SIZES = [(320, 640), (1280, 800)]


def code_for(site: Site, address: str) -> str:
    """Return the newest code in a mailbox."""
    found: list[str] = []

    def look() -> bool:
        for path in sorted((site.folder.path / "mail").glob("*"), key=lambda each: each.stat().st_mtime):
            mail = message_from_bytes(path.read_bytes(), policy=policy.default)
            if mail["To"] == address:
                part = mail.get_body(("plain",))
                assert part
                found.extend(re.findall(r"\b[0-9]{6}\b", part.get_content())[:1])
        return bool(found)

    wait_for(look, 10)
    return found[-1]


def with_authenticator(reader: Reader) -> CDPSession:
    """Give a browser a device that keeps passkeys and says yes."""
    session = reader.page.context.new_cdp_session(reader.page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def new_address() -> str:
    return f"alice-{secrets.token_hex(4)}@example.org"


def sign_up(site: Site, reader: Reader, address: str) -> None:
    reader.page.fill("#email", address)
    reader.page.press("#email", "Enter")
    reader.page.wait_for_url("**/accounts/code/")
    reader.page.fill("#code", code_for(site, address))
    reader.page.press("#code", "Enter")
    reader.page.wait_for_url(lambda url: "/accounts/code/" not in url)


def test_sign_up_by_code_add_a_passkey_sign_out_sign_in_with_it(live_site: Site, reader_at: Open) -> None:
    address = new_address()
    reader = reader_at(f"{live_site.url}/accounts/enter/?next=/accounts/factors/")
    page = reader.page
    with_authenticator(reader)
    sign_up(live_site, reader, address)
    assert page.url.endswith("/accounts/factors/")

    page.click("text=Add a passkey")
    page.fill("#name", "My laptop")
    page.click("passkey-form button")
    page.wait_for_url("**/recovery-codes/")
    assert page.locator(".recovery-codes li").count() == 10
    page.goto(f"{live_site.url}/accounts/factors/")
    assert page.locator(".factor-list strong").inner_text() == "My laptop"

    page.click(".account-nav button")
    page.wait_for_url("**/accounts/enter/**")
    page.click("passkey-form button")
    page.wait_for_url("**/accounts/factors/")
    assert page.locator(".factor-list strong").inner_text() == "My laptop"


def test_a_passkey_is_renamed_and_removed_and_opens_nothing_then(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/accounts/enter/?next=/accounts/factors/passkeys/add/")
    page = reader.page
    with_authenticator(reader)
    sign_up(live_site, reader, new_address())
    page.click("passkey-form button")
    page.wait_for_url("**/recovery-codes/")
    page.goto(f"{live_site.url}/accounts/factors/")

    page.fill(".factor-name input[name=name]", "Phone")
    page.click(".factor-name button")
    assert page.locator(".factor-list strong").inner_text() == "Phone"
    page.click(".factor-list a")
    page.click(".account-main form button")
    page.wait_for_url("**/accounts/factors/")
    assert page.locator(".factor-list").count() == 0

    page.click(".account-nav button")
    page.wait_for_url("**/accounts/enter/**")
    page.click("passkey-form button")
    page.wait_for_selector("text=This passkey is not known here.")
    forget_refusals(reader)


def test_in_french_page_and_mail_are_french(live_site: Site, reader_at: Open) -> None:
    address = new_address()
    reader = reader_at(f"{live_site.url}/accounts/enter/?language=fr&next=/accounts/factors/")
    assert reader.page.locator("html").get_attribute("lang") == "fr"

    sign_up(live_site, reader, address)

    assert reader.page.locator("html").get_attribute("lang") == "fr"


def test_it_all_works_without_script(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/accounts/enter/?next=/accounts/factors/", java_script_enabled=False)
    assert reader.page.locator("passkey-form button").is_hidden()

    sign_up(live_site, reader, new_address())

    assert reader.page.url.endswith("/accounts/factors/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_axe_finds_nothing_on_the_way_in(
    live_site: Site, reader_at: Open, scheme: Literal["light", "dark"], width: int, height: int
) -> None:
    address = new_address()
    reader = reader_at(f"{live_site.url}/accounts/enter/", color_scheme=scheme, width=width, height=height)
    page = reader.page
    assert_sound(reader, width)
    page.fill("#email", "alice")
    page.press("#email", "Enter")
    page.wait_for_selector(".field-problem")
    assert_sound(reader, width)
    page.fill("#email", address)
    page.press("#email", "Enter")
    page.wait_for_url("**/accounts/code/")
    assert_sound(reader, width)
    code = code_for(live_site, address)
    page.fill("#code", f"{(int(code) + 1) % 1_000_000:06}")
    page.press("#code", "Enter")
    page.wait_for_selector("#code-problem")
    assert_sound(reader, width)
    page.fill("#code", code)
    page.press("#code", "Enter")
    page.wait_for_url(lambda url: "/accounts/code/" not in url)

    for path in ("factors/", "factors/passkeys/add/", "factors/app/", "factors/recovery-codes/", "proof/"):
        page.goto(f"{live_site.url}/accounts/{path}")
        assert_sound(reader, width)
    forget_refusals(reader)


def forget_refusals(reader: Reader) -> None:
    """Take back what the console says about pages that refuse what was typed."""
    reader.complaints[:] = [each for each in reader.complaints if "422" not in each]


def assert_sound(reader: Reader, width: int) -> None:
    assert findings(reader) == [], reader.page.url
    assert reader.page.evaluate("document.documentElement.scrollWidth") <= width, reader.page.url
