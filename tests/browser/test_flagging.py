"""An answer is flagged in two presses, with and without script, and its number shows how it stands."""

import json
import re
from collections.abc import Callable
from typing import Any, Literal

import pytest

from tests.browser.conftest import Reader
from tests.browser.devices import newcomer_at
from tests.browser.test_account import agree_and_ask
from tests.browser.test_asking import VERIFIED
from tests.browser.test_pages import QUESTION
from tests.browser.test_signin import assert_sound
from tests.live import Site

Open = Callable[..., Reader]
NUMBER = re.compile(r"F(-[2-9A-HJ-NP-Z]{4}){4}")
ROW = "SELECT {} FROM chat_flag ORDER BY id DESC LIMIT 1"


def newest(site: Site, column: str) -> str:
    return site.postgres.sql(ROW.format(column), database="wagmi")


def asked(site: Site, reader_at: Open, path: str = "/chat/", question: str = VERIFIED, **options: Any) -> Reader:
    """Return a reader with an answer before them."""
    reader = reader_at(f"{site.url}{path}", **options)
    reader.ask(question)
    reader.wait_for_end()
    return reader


def focused(reader: Reader, what: str) -> str:
    found: str = reader.page.evaluate(f"document.activeElement.{what}")
    return found


def test_a_visitor_flags_with_the_keyboard_alone_and_comes_back_with_the_number(
    live_site: Site, reader_at: Open
) -> None:
    reader = asked(live_site, reader_at, question=QUESTION)
    page = reader.page
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(f"{request.method} {request.url.removeprefix(live_site.url)}"))
    page.focus(".answer-flag")

    page.keyboard.press("Enter")
    page.wait_for_selector(".flag-form")

    assert any("flag-form" in each for each in loaded) and any("css/flag" in each for each in loaded)
    assert focused(reader, "name") == "reason" and page.get_attribute(".answer-flag", "aria-expanded") == "true"
    notice = page.inner_text(".flag-notice")
    assert "24 hours after the decision, after 7 days at the latest" in notice and "seal" in notice
    assert not page.is_checked("[name=train]") and page.locator("[name=reason]:checked").count() == 0
    page.keyboard.press("Escape")
    assert page.locator(".flag-form").count() == 0 and "answer-flag" in focused(reader, "className")
    page.keyboard.press("Enter")
    page.wait_for_selector(".flag-form")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # the link to the notice stands before the reasons, so next are the words
    page.fill(".flag-form textarea", "Look at the second sentence.")
    page.focus(".flag-form [type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".flag-done")

    number = page.inner_text(".flag-done .flag-number")
    assert NUMBER.fullmatch(number) and "flag-done" in focused(reader, "className")
    assert page.locator(".answer-flag").first.is_hidden()
    sent = [each for each in loaded if each.startswith("POST")]
    assert sent == ["POST /api/flags?language=en"] and number not in "".join(loaded)
    assert newest(live_site, "reason || ' ' || words || ' ' || rung") == (
        "unsupported Look at the second sentence. " + newest(live_site, "rung")
    )
    assert newest(live_site, "question") == QUESTION and newest(live_site, "training_subject IS NULL") == "t"
    assert newest(live_site, "user_id IS NULL") == "t"

    page.click(".flag-done a")
    page.fill("#number", number.lower())
    page.press("#number", "Enter")
    page.wait_for_selector(".flag-outcome")
    assert "Nobody has decided yet." in page.inner_text(".flag-outcome") and number not in page.url
    page.click("text=Delete what I sent now")
    page.wait_for_selector("text=What you sent is deleted.")
    assert newest(live_site, "state || text || words || question") == "withdrawn"


def test_a_flag_that_is_refused_says_why_and_keeps_what_was_written(live_site: Site, reader_at: Open) -> None:
    reader = asked(live_site, reader_at)
    page = reader.page
    page.evaluate("document.querySelector('answer-card').answer.text += ' forged'")
    page.click(".answer-flag")
    page.check("[name=reason][value=wrong]")
    page.fill(".flag-form textarea", "Mine.")

    page.click(".flag-form [type=submit]")

    page.wait_for_selector(".flag-problem:visible")
    assert "seal" in page.inner_text(".flag-problem") and page.input_value(".flag-form textarea") == "Mine."
    assert page.locator(".flag-form [type=submit]").is_enabled()
    page.context.set_offline(True)
    page.click(".flag-form [type=submit]")
    page.wait_for_selector(".flag-problem:has-text('cannot be reached')")
    reader.complaints[:] = [each for each in reader.complaints if "422" not in each and "DISCONNECTED" not in each]


def test_an_answer_in_the_account_is_flagged_without_script_and_listed_there(live_site: Site, reader_at: Open) -> None:
    reader, _address = newcomer_at(live_site, reader_at, "/account/")
    page = reader.page
    agree_and_ask(live_site, reader, QUESTION)
    page.goto(f"{live_site.url}/account/conversations/")
    page.click(".conversations h2 a")

    page.click(".answer-flag button")
    page.click("summary:has-text('What is sent')")
    assert QUESTION in page.inner_text(".flag-texts") and "account" in page.inner_text(".flag-notice")
    assert_sound(reader, 1280)
    page.check("[name=reason][value=wrong]")
    page.check("[name=train]")
    page.click(".flag-form [type=submit]")
    page.wait_for_selector(".flag-done .flag-number")
    assert_sound(reader, 1280)

    page.goto(f"{live_site.url}/account/flags/")
    assert QUESTION in page.inner_text(".own-flag") and "you allowed it" in page.inner_text(".own-flag")
    assert_sound(reader, 1280)
    page.goto(f"{live_site.url}/chat/")
    reader.ask(VERIFIED)
    reader.wait_for_end()
    page.click(".answer-flag")
    page.wait_for_selector(".flag-form")
    assert page.locator("[name=train]").count() == 0 and "agreed in your account" in page.inner_text(".flag-form")
    page.goto(f"{live_site.url}/account/flags/")
    page.click(".own-flag summary")
    page.click(".own-flag form button")
    page.wait_for_selector("text=What you sent is deleted.")
    assert newest(live_site, "state || text") == "withdrawn"


def test_without_script_a_visitor_flags_in_two_presses(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/live/en/chat/", java_script_enabled=False, width=320, height=640)
    page = reader.page
    page.fill("#question", f"{VERIFIED}\n")
    page.click(".composer button")

    page.click(".answer-flag button")
    page.check("[name=reason][value=unhelpful]")
    page.click(".flag-form [type=submit]")

    assert NUMBER.fullmatch(page.inner_text(".flag-number"))
    assert newest(live_site, "reason || ' ' || rung") == "unhelpful verified"


@pytest.mark.parametrize(("width", "scheme", "path"), [(320, "dark", "/fr/chat/"), (1280, "light", "/chat/")])
def test_axe_finds_nothing_in_the_form_and_after_it(
    live_site: Site, reader_at: Open, width: int, scheme: Literal["light", "dark"], path: str
) -> None:
    reader = asked(live_site, reader_at, path, width=width, height=900, color_scheme=scheme)
    page = reader.page
    page.click(".answer-flag")
    page.wait_for_selector(".flag-form")
    page.wait_for_function("[...document.styleSheets].some((sheet) => sheet.href?.includes('css/flag'))")
    assert_sound(reader, width)

    page.check("[name=reason][value=other]")
    page.check("[name=train]")
    page.click(".flag-form [type=submit]")
    page.wait_for_selector(".flag-done")
    assert_sound(reader, width)
    number = page.inner_text(".flag-done .flag-number")
    page.goto(f"{live_site.url}/live/{path[1:3] if path.startswith('/fr') else 'en'}/flags/")
    assert_sound(reader, width)
    page.fill("#number", number)
    page.press("#number", "Enter")
    page.wait_for_selector(".flag-outcome")
    assert_sound(reader, width)

    page.locator(".flag-buttons button").nth(1).click()  # the consent to training
    page.wait_for_selector("[role=status]")
    assert newest(live_site, "training_subject IS NULL AND text <> ''") == "t"
    assert json.loads(newest(live_site, "receipt"))["rung"] == "verified"
