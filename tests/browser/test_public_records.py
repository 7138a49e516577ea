"""Pages on which anybody may look things up: an answer's proof is carried from the chat to the page to verify it."""

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Reader
from tests.browser.test_pages import QUESTION, findings
from tests.live import Site

Open = Callable[..., Reader]


def test_a_proof_is_copied_in_the_chat_and_verified_by_keyboard(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/chat/")
    page = reader.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=live_site.url)
    reader.ask(QUESTION)
    reader.wait_for_end()
    page.click("answer-receipt summary")

    page.click(".receipt-proof button")
    expect(page.locator(".receipt-proof button")).to_have_text("Copied")
    page.click(".receipt-proof a")
    page.focus("#verify-answer")
    page.keyboard.press("Control+V")
    for key in ("Tab", "Tab", "Tab", "Enter"):
        page.keyboard.press(key)

    expect(page.locator("#verdict h2")).to_have_text("Ours, and unchanged")
    expect(page.locator("#verdict")).to_contain_text("The receipt is the one that was given with it.")
    assert findings(reader) == []


def test_a_reader_without_script_verifies_an_answer_with_one_press(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/live/fr/chat/", java_script_enabled=False, width=320, height=640)
    reader.page.fill("#question", "Sous quelle licence est le code, et puis-je le réutiliser ?")
    reader.page.click("form.composer button")

    reader.page.click(".verify-press button")

    expect(reader.page.locator("#verdict")).to_be_visible()
    assert "/live/fr/verify/" in reader.page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/live/en/transparency/", "/live/fr/transparency/", "/live/fr/verify/", "/verify/"])
def test_the_public_pages_are_clean_and_fit_320_pixels(
    live_site: Site, reader_at: Open, path: str, scheme: Literal["light", "dark"]
) -> None:
    reader = reader_at(live_site.url + path, color_scheme=scheme, width=320, height=640)

    assert reader.page.evaluate("document.documentElement.scrollWidth") == 320
    assert findings(reader) == []
