"""Staff at work on flags, in a real browser: by keyboard, one at a time, and safe from what strangers wrote."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Request

from tests.browser.conftest import Reader
from tests.browser.staff import staff_reader
from tests.browser.test_pages import findings
from tests.chat.hostile import HOSTILE
from tests.live import Site

Open = Callable[..., Reader]
MAKE = """
import json
from tests.chat.open_flags import flag
for fields in json.loads({fields!r}):
    print("flag", flag(**fields).public_id)
"""
COOKIES: list[Any] = []
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
ACTIVE = (
    "script, img, iframe, object, embed, video, link, style, base, meta, form, input, "
    "[onerror], [onclick], [onload], [onfocus], [onmouseover], [style]"
)
HIDDEN = "[\u202a-\u202e\u2060\u2066-\u2069\u200b-\u200f\ufeff\x1b\x07]"
QUESTION = "May a company resell the whole program under its own name?"


def flags_on(site: Site, *fields: dict[str, Any]) -> list[str]:
    """Return the public ids of new flags on a site."""
    lines = site.manage("shell", "-v", "0", "-c", MAKE.format(fields=json.dumps(fields))).splitlines()
    return [line.split()[1] for line in lines if line.startswith("flag ")]


def at_desk(site: Site, reader_at: Open, **options: Any) -> Reader:
    """Return a reader at work as one and the same member of staff."""
    if not COOKIES:
        COOKIES.extend(staff_reader(site, reader_at).page.context.cookies())
    reader = reader_at(site.url, **options)
    reader.page.context.add_cookies(COOKIES)
    return reader


def keep(reader: Reader, name: str) -> None:
    """Keep a picture where ``SCREENSHOTS`` says, for people to look at."""
    if folder := os.environ.get("SCREENSHOTS"):
        reader.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def test_a_flag_is_upheld_and_corrected_by_keyboard_alone(live_site: Site, reader_at: Open) -> None:
    first, second = flags_on(live_site, {"question": QUESTION, "weight": 90}, {"question": "Two?", "weight": 80})
    dana = at_desk(live_site, reader_at)
    page = dana.page
    page.goto(f"{live_site.url}/admin/chat/flag/")
    assert page.locator("#result_list tbody tr").first.locator("td.field-weight").inner_text() == "90"

    page.keyboard.press("n")
    page.wait_for_url(f"**/{first}/review/")
    assert re.fullmatch(r"[45] min \d\d s left", page.inner_text("[data-part=left]"))
    frank = staff_reader(live_site, reader_at)
    frank.page.goto(f"{live_site.url}/admin/chat/flag/{first}/review/")
    assert "holds this flag until" in frank.page.inner_text(".review-hold")
    assert frank.page.locator("#decision").count() == 0
    frank.page.keyboard.press("n")
    frank.page.wait_for_url(f"**/{second}/review/")
    frank.page.keyboard.press("l")
    frank.page.wait_for_url("**/admin/chat/flag/")

    page.keyboard.press("u")
    assert page.locator("input[value=false]").is_checked()
    page.keyboard.press("2")
    assert page.locator("input[value=not_supported]").is_checked()
    page.keyboard.press("?")
    assert page.locator(".review-help dl").is_visible()
    page.keyboard.press("c")
    page.keyboard.type("Under which terms may a firm sell the programs on?")
    page.keyboard.press("Tab")
    page.keyboard.type("The Apache License 2.0 allows it.")
    page.focus("#id_first-passage_words")
    page.keyboard.type("licence apache")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-draft='0'] [data-part=passages] input")
    assert page.url.endswith(f"{first}/review/")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.wait_for_selector("[data-draft='0'] [data-part=source] a")
    assert "Apache License 2.0" in page.inner_text("[data-draft='0'] [data-part=tree]")
    assert page.locator("[data-draft='0'] [data-part=hints] li").count() > 0
    keep(dana, "review-written")
    page.focus("#id_first-answer")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    assert page.url.endswith(f"{first}/review/"), "a slip of the hand does not lose what was typed"
    assert page.locator("[data-key=n]").evaluate("button => button === document.activeElement")
    page.focus("#id_first-answer")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/admin/chat/flag/")

    assert "Decided" in page.inner_text(".messagelist")
    page.goto(f"{live_site.url}/admin/chat/correction/")
    assert "given to readers" in page.inner_text("#result_list tbody tr >> nth=0")
    page.click("#result_list tbody th a >> nth=0")
    keep(dana, "correction")
    assert findings(dana) == []
    page.select_option("#reason", "replaced")
    page.click(".review-acts button >> text=Withdraw")
    assert "It is withdrawn." in page.inner_text(".messagelist")


def test_without_script_the_passage_is_found_and_the_preview_shown_by_a_button(
    live_site: Site, reader_at: Open
) -> None:
    (one,) = flags_on(live_site, {"question": QUESTION})
    reader = at_desk(live_site, reader_at, java_script_enabled=False)
    page = reader.page
    page.goto(f"{live_site.url}/admin/chat/flag/{one}/review/")

    page.click("[data-draft='0'] > summary")
    page.fill("#id_first-questions", "Under which terms may a firm sell the programs on?")
    page.fill("#id_first-answer", "The Apache License 2.0 allows it.")
    page.fill("#id_first-passage_words", "licence apache")
    page.press("#id_first-passage_words", "Enter")
    page.wait_for_url("**/preview/")
    page.check("[data-draft='0'] [data-part=passages] input >> nth=0")
    page.click("text=Preview, and look for the passage")

    assert "Apache License 2.0" in page.inner_text("[data-draft='0'] [data-part=tree]")
    assert page.input_value("#id_first-questions") == "Under which terms may a firm sell the programs on?"
    page.check("input[value=false]")
    page.click("text=Decide Ctrl")
    page.wait_for_url("**/admin/chat/flag/")


def test_nothing_that_strangers_wrote_runs_loads_or_deceives(live_site: Site, reader_at: Open) -> None:
    several = ["\n\n".join(HOSTILE[at : at + 12]) for at in range(0, len(HOSTILE), 12)]
    ids = flags_on(live_site, *({"question": text, "text": text, "words": text} for text in [*several, *HOSTILE]))
    reader = at_desk(live_site, reader_at)
    page = reader.page
    foreign: list[str] = []

    def look(request: Request) -> None:
        if not request.url.startswith((f"{live_site.url}/admin/", f"{live_site.url}/static/")):
            foreign.append(request.url)

    page.on("request", look)
    page.on("dialog", lambda dialog: foreign.append(f"dialog {dialog.message}"))
    for public_id in ids[: len(several)]:
        page.goto(f"{live_site.url}/admin/chat/flag/{public_id}/review/")
        keep(reader, f"hostile-{public_id[:4]}")
        assert page.locator("#decision").count() == 1
        assert page.locator(f".review-material :is({ACTIVE})").count() == 0
        for shown in page.locator(".foreign").all_text_contents():
            assert not re.search(HIDDEN, shown)
        for shown in page.locator(".answer-seen").all_text_contents():  # joiners are part of scripts and of emoji
            assert not re.search(HIDDEN, re.sub("[\u200c\u200d]", "", shown))
        links = page.eval_on_selector_all(".answer-seen a", "found => found.map(one => one.href)")
        assert all(link.startswith(("https://", "http://")) for link in links)
    for number in range(1 + len(HOSTILE) // 50):
        page.goto(f"{live_site.url}/admin/chat/flag/?p={number + 1}")
        assert page.locator("#result_list tbody tr").count() > 0
        assert page.locator(f"#result_list tbody :is({ACTIVE})").count() == 0
        assert not re.search(HIDDEN, page.inner_text("#result_list"))
    keep(reader, "queue-hostile")

    assert foreign == []
    assert page.evaluate("window.ran") is None


def test_axe_finds_nothing_in_the_queue_and_on_a_flag_and_both_fit_a_phone(live_site: Site, reader_at: Open) -> None:
    question = "Ring me at +33 6 12 34 56 78\u202e: how long are my chats kept?"
    (one,) = flags_on(live_site, {"question": question, "reason": "private", "weight": 3})
    queue, review = (
        f"{live_site.url}/admin/chat/flag/?language__exact=en",
        f"{live_site.url}/admin/chat/flag/{one}/review/",
    )
    reader = at_desk(live_site, reader_at)
    page = reader.page

    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        page.goto(queue)
        keep(reader, f"queue-{scheme}")
        assert findings(reader) == []
        page.goto(review)
        for summary in page.locator(".review-draft > summary").all():
            summary.click()
        keep(reader, f"review-{scheme}")
        assert findings(reader) == []

    live_site.manage("shell", "-v", "0", "-c", "from accounts.models import User; User.objects.update(language='fr')")
    phone = at_desk(live_site, reader_at, width=320, height=640).page
    for name, address in (("queue", queue), ("review", review)):
        phone.goto(address)
        if folder := os.environ.get("SCREENSHOTS"):
            phone.screenshot(path=str(Path(folder) / f"{name}-320-fr.png"), full_page=True)
        assert phone.evaluate("document.documentElement.scrollWidth") == 320
        assert phone.get_attribute("html", "lang") == "fr"
