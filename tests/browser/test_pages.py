"""What every page owes its readers: room, colours, privacy, and markup that assistive software understands."""

from collections.abc import Callable
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Response

from tests.browser.conftest import Reader
from tests.live import Site

Open = Callable[..., Reader]

PAGES = [
    "/",
    "/fr/",
    "/chat/",
    "/fr/chat/",
    "/knowledge/",
    "/knowledge/energy/",
    "/method/",
    "/fr/imprint/",
    "/live/en/chat/",
    "/live/fr/status/",
    "/nowhere/",
]
FIRST_LOAD_BYTES = 60_000
QUESTION = "Which licence is the code under and can I reuse it?"


def findings(reader: Reader) -> list[str]:
    """Return what axe finds. Its own styles break the policy, so the complaints it causes are taken back."""
    before = len(reader.complaints)
    found = Axe().run(reader.page).response["violations"]
    del reader.complaints[before:]
    return [f"{one['id']}: {node['html'][:160]}" for one in found for node in one["nodes"]]


def forgive_the_missing_page(reader: Reader) -> None:
    """The console reports a page that is not there, which is right, once."""
    if reader.page.url.endswith("/nowhere/"):
        assert len(reader.complaints) == 1 and "404" in reader.complaints.pop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing(live_site: Site, reader_at: Open, path: str, scheme: Literal["light", "dark"]) -> None:
    reader = reader_at(f"{live_site.url}{path}", color_scheme=scheme)
    forgive_the_missing_page(reader)

    assert findings(reader) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_with_an_answer_and_its_receipt(
    live_site: Site, reader_at: Open, scheme: Literal["light", "dark"]
) -> None:
    reader = reader_at(f"{live_site.url}/chat/", color_scheme=scheme)
    reader.ask(QUESTION)
    reader.wait_for_end()
    reader.page.click("answer-receipt summary")

    assert findings(reader) == []


@pytest.mark.parametrize("path", PAGES)
def test_no_page_scrolls_sideways_at_320_pixels(live_site: Site, reader_at: Open, path: str) -> None:
    reader = reader_at(f"{live_site.url}{path}", width=320, height=640)
    forgive_the_missing_page(reader)

    assert reader.page.evaluate("document.documentElement.scrollWidth") == 320


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


def test_the_first_load_is_small_and_comes_from_this_host_alone(live_site: Site, reader_at: Open) -> None:
    reader = reader_at("about:blank")
    responses: list[Response] = []
    reader.page.on("response", lambda response: responses.append(response))

    reader.page.goto(live_site.url, wait_until="networkidle")

    assert {response.url.split("/")[2] for response in responses} == {live_site.url.split("/")[2]}
    assert sum(wire_bytes(response) for response in responses) <= FIRST_LOAD_BYTES


def wire_bytes(response: Response) -> int:
    """Return what the response takes on the line: its headers, and its body as it was sent."""
    sizes = response.request.sizes()
    return sizes["responseHeadersSize"] + sizes["responseBodySize"]


def test_nothing_moves_while_the_page_loads(live_site: Site, reader_at: Open) -> None:
    reader = reader_at("about:blank")
    reader.page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => {"
        " for (const entry of list.getEntries()) window.shift += entry.value; })"
        ".observe({type: 'layout-shift', buffered: true});"
    )

    reader.page.goto(live_site.url, wait_until="networkidle")

    assert reader.page.evaluate("window.shift") == 0


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
