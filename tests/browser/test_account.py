"""A person's own pages as they use them: consent, conversations, an export that opens, an account that is gone."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from tests.browser.conftest import Reader
from tests.browser.devices import newcomer_at
from tests.browser.test_pages import QUESTION
from tests.browser.test_signin import SIZES, assert_sound
from tests.chat.canary import in_tables, new_canary
from tests.live import Site, wait_for

Open = Callable[..., Reader]
PAGES = ("", "profile/", "sessions/", "consents/", "conversations/", "flags/", "export/", "erase/")
KEEP_CHATS = "section[aria-labelledby=consent-keep_chats]"


def agree_and_ask(site: Site, reader: Reader, question: str) -> None:
    """Tick the box in the chat, as somebody whose conversations are not kept yet, and ask."""
    page = reader.page
    page.goto(f"{site.url}/chat/")
    page.focus("#question")
    page.wait_for_selector(".account-strip:not([hidden])")
    assert not page.is_checked("[data-part=keep]")
    page.check("[data-part=keep]")
    page.locator("#chat-status", has_text="kept for 7 days").wait_for(state="attached")
    reader.ask(question)
    reader.wait_for_end()
    page.wait_for_selector(".answer-kept:visible")


def test_what_is_kept_is_listed_named_and_gone_when_the_consent_is_withdrawn(live_site: Site, reader_at: Open) -> None:
    reader, _address = newcomer_at(live_site, reader_at, "/account/")
    page = reader.page
    agree_and_ask(live_site, reader, QUESTION)
    page.goto(f"{live_site.url}/account/conversations/")
    page.click(".conversations h2 a")
    page.fill("#title", "Licences")
    page.press("#title", "Enter")
    page.wait_for_selector(".conversation-name:has-text('Licences')")
    newest = "SELECT channel FROM compliance_consentevent ORDER BY id DESC LIMIT 1"
    assert live_site.postgres.sql(newest, database="wagmi") == "chat"

    page.goto(f"{live_site.url}/account/consents/")
    page.click(f"{KEEP_CHATS} button")
    page.wait_for_selector(f"{KEEP_CHATS} [name=agreed]")
    page.goto(f"{live_site.url}/account/conversations/")

    assert page.locator(".conversations").count() == 0
    assert page.locator("text=Nothing is stored.").is_visible()


def test_an_export_is_fetched_once_and_opens_with_nothing_from_elsewhere(
    live_site: Site, reader_at: Open, tmp_path: Path
) -> None:
    canary = new_canary()
    reader, address = newcomer_at(live_site, reader_at, "/account/")
    page = reader.page
    agree_and_ask(live_site, reader, f"{QUESTION} {canary}")
    page.goto(f"{live_site.url}/account/export/")
    with page.expect_navigation():
        page.click(".account-main .button")  # a reload on top of this page's way here finds no page to load again
    wait_for(lambda: bool(page.reload() and page.locator("form[action$='/fetch/']").count()), 60)

    with page.expect_download() as download:
        page.click("form[action$='/fetch/'] button")
    download.value.save_as(tmp_path / "export.zip")
    with zipfile.ZipFile(tmp_path / "export.zip") as file:
        file.extractall(tmp_path)
    offline = reader_at("about:blank")
    asked: list[str] = []
    offline.page.on("request", lambda request: asked.append(request.url))
    offline.page.goto((tmp_path / "index.html").as_uri())

    said = offline.page.locator("body").inner_text()
    assert canary in said and address in said
    assert asked == [(tmp_path / "index.html").as_uri()]
    assert offline.page.locator("[src], link, script").count() == 0
    page.reload()
    assert page.locator("form[action$='/fetch/']").count() == 0


def test_who_erases_their_account_is_signed_out_everywhere_and_in_no_row(live_site: Site, reader_at: Open) -> None:
    canary = new_canary()
    reader, address = newcomer_at(live_site, reader_at, "/account/")
    page = reader.page
    agree_and_ask(live_site, reader, f"{QUESTION} {canary}")
    assert in_tables(live_site, canary) and in_tables(live_site, address)
    other = reader_at("about:blank")
    other.page.context.add_cookies(page.context.cookies())
    other.page.goto(f"{live_site.url}/account/")
    assert address in other.page.locator("main").inner_text()

    page.goto(f"{live_site.url}/account/erase/")
    page.check("[name=understood]")
    page.click(".account-form button")
    page.wait_for_url("**/account/erased/**")

    for who in (reader, other):
        who.page.goto(f"{live_site.url}/account/")
        assert "/accounts/enter/" in who.page.url
    wait_for(lambda: in_tables(live_site, address) == [], 60, live_site.log("worker"))
    assert in_tables(live_site, canary) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_axe_finds_nothing_in_an_account(
    live_site: Site, reader_at: Open, scheme: Literal["light", "dark"], width: int, height: int
) -> None:
    reader, _address = newcomer_at(live_site, reader_at, "/account/", color_scheme=scheme, width=width, height=height)
    page = reader.page
    agree_and_ask(live_site, reader, QUESTION)
    assert_sound(reader, width)
    page.goto(f"{live_site.url}/account/conversations/")
    page.click(".conversations h2 a")
    page.wait_for_selector(".stored-version")
    assert_sound(reader, width)

    for path in PAGES:
        page.goto(f"{live_site.url}/account/{path}")
        assert_sound(reader, width)
