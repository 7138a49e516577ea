"""What pages owe their readers once somebody asks: room, colours, privacy, and markup that assistive software knows.

What they owe before that, ``tests/audit`` looks at on every page.
"""

from collections.abc import Callable
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.conftest import Reader
from tests.live import Site

Open = Callable[..., Reader]

QUESTION = "Which licence is the code under and can I reuse it?"


def findings(reader: Reader) -> list[str]:
    """Return what axe finds. Its own styles break the policy, so the complaints it causes are taken back."""
    before = len(reader.complaints)
    found = Axe().run(reader.page).response["violations"]
    del reader.complaints[before:]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_with_an_answer_and_its_receipt(
    live_site: Site, reader_at: Open, scheme: Literal["light", "dark"]
) -> None:
    reader = reader_at(f"{live_site.url}/chat/", color_scheme=scheme)
    reader.ask(QUESTION)
    reader.wait_for_end()
    reader.page.click("answer-receipt summary")

    assert findings(reader) == []


def test_an_answer_with_its_receipt_fits_320_pixels(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/fr/chat/", width=320, height=640)
    reader.ask("Sous quelle licence est le code, et puis-je le réutiliser ?")
    reader.wait_for_end()
    reader.page.click("answer-receipt summary")

    assert reader.page.evaluate("document.documentElement.scrollWidth") == 320


def test_day_and_night_change_the_ground(live_site: Site, reader_at: Open) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"

    day = reader_at(live_site.url, color_scheme="light").page.evaluate(ground)
    night = reader_at(live_site.url, color_scheme="dark").page.evaluate(ground)

    assert day != night


def test_a_visit_and_a_question_leave_no_cookie(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(live_site.url)
    reader.ask(QUESTION)
    reader.wait_for_end()

    assert reader.page.context.cookies() == []
    assert reader.page.evaluate("localStorage.length") == 0


def test_modules_are_served_under_names_with_their_digest(live_site: Site, reader_at: Open) -> None:
    reader = reader_at("about:blank")
    loaded: list[str] = []
    reader.page.on("request", lambda request: loaded.append(request.url))

    reader.page.goto(f"{live_site.url}/chat/", wait_until="networkidle")

    modules = [url for url in loaded if url.endswith(".js")]
    assert len(modules) == len(set(modules)) >= 10
    assert all(len(url.rsplit("/", 1)[1].split(".")) == 3 for url in modules), modules


def test_a_source_link_leads_to_the_passage_and_marks_it(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/chat/")
    reader.ask(QUESTION)
    reader.wait_for_end()

    reader.page.click(".answer-sources a >> nth=0")

    assert "/knowledge/" in reader.page.url and "#" in reader.page.url
    assert reader.page.locator(".passage:target").count() == 1
