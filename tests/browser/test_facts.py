"""Live figures on public pages: read by a script, written as the page's language writes, and nothing moves."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Reader
from tests.browser.test_pages import findings
from tests.live import Site

Open = Callable[..., Reader]

FIGURES: dict[str, Any] = {
    "generated_at": "2026-11-21T11:45:00Z",
    "since": "2026-11-20",
    "answers": {
        "total": 12345,
        "failures": 6,
        "by_rung": {"verified": 1111, "quoted": 2222, "small": 8000, "large": 0, "none": 1012},
        "no_model_share": 0.352,
        "by_language": {"en": 12000, "fr": 345},
    },
    "tokens": {"prompt": 2345678, "completion": 87654},
    "energy_wh": {"low": 0.61234, "mid": 1.22468, "high": 3.0617, "method": "modelled"},
    "models": [
        {
            "id": "wagmi-small",
            "name": "SmolLM2-135M-Instruct (Q4_1)",
            "tier": "small",
            "hardware": "cpu",
            "languages": ["en"],
            "weights_sha256": "0123456789abcdef" * 4,
            "digest": "checked",
            "enabled": True,
        }
    ],
    "limits": {"questions": 20, "window_minutes": 15.0},
    "days": [],
}
WRITTEN = {
    "/transparency/": {
        "answers.total": "12,345",
        "answers.no_model_share": "35%",
        "energy_wh.mid": "1.2 Wh",
        "energy_wh": "0.61 to 3.1 Wh",
        "name": "SmolLM2-135M-Instruct (Q4_1)",
        "enabled": "switched on",
        "languages": "English",
        "digest": "checked when loaded",
        "limits": "20 in 15 minutes",
    },
    "/fr/transparency/": {
        "answers.total": "12 345",
        "answers.no_model_share": "35 %",
        "energy_wh.mid": "1,2 Wh",
        "energy_wh": "de 0,61 à 3,1 Wh",
        "languages": "anglais",
        "limits": "20 en 15 minutes",
    },
}
DATED = {
    "/transparency/": "Read on 21 November 2026 at 11:45 UTC. Counted since 20 November 2026.",
    "/fr/transparency/": "Lu le 21 novembre 2026 à 11:45 UTC. Compté depuis le 20 novembre 2026.",
}
FACTS = "**/api/facts"


def spaces_made_plain(text: str) -> str:
    """Return ``text`` with its no-break spaces as plain ones: which of them a browser picks is its own affair."""
    return re.sub(r"\s+", " ", text).strip()


def cell(reader: Reader, fact: str) -> str:
    return spaces_made_plain(reader.page.locator(f'[data-fact="{fact}"]').first.inner_text())


def answered(figures: dict[str, Any]) -> Callable[[Route], None]:
    return lambda route: route.fulfill(body=json.dumps(figures), content_type="application/json")


def open_with(reader_at: Open, url: str, figures: dict[str, Any], **options: Any) -> Reader:
    """Open a page whose figures are ``figures`` and wait until they are written."""
    reader = reader_at("about:blank", **options)
    reader.page.route(FACTS, answered(figures))
    reader.page.goto(url)
    expect(reader.page.locator('[data-when="read"]').first).to_be_visible()
    return reader


def test_a_page_shows_the_figures_that_the_site_tells(live_site: Site, reader_at: Open) -> None:
    reader = reader_at("about:blank")

    with reader.page.expect_response(FACTS) as told:
        reader.page.goto(f"{live_site.url}/transparency/")
    expect(reader.page.locator('[data-when="read"]').first).to_be_visible()

    found = told.value.json()
    assert cell(reader, "answers.total") == f"{found['answers']['total']:,}"
    assert reader.page.locator('[data-fact="weights_sha256"]').text_content() == found["models"][0]["weights_sha256"]
    assert findings(reader) == []


@pytest.mark.parametrize("path", WRITTEN)
def test_figures_are_written_in_the_language_of_the_page(live_site: Site, reader_at: Open, path: str) -> None:
    reader = open_with(reader_at, live_site.url + path, FIGURES)

    assert {fact: cell(reader, fact) for fact in WRITTEN[path]} == WRITTEN[path]
    assert spaces_made_plain(reader.page.locator('[data-when="read"]').first.inner_text()) == DATED[path]


def test_before_the_first_answer_a_share_and_a_day_are_dashes(live_site: Site, reader_at: Open) -> None:
    nothing_yet = {**FIGURES, "since": None, "answers": {**FIGURES["answers"], "total": 0, "no_model_share": None}}

    reader = open_with(reader_at, f"{live_site.url}/frugality/", nothing_yet)

    assert cell(reader, "answers.total") == "0" and cell(reader, "answers.no_model_share") == "–"


@pytest.mark.parametrize("count", [0, 2])
def test_each_model_has_a_plate_and_none_has_a_sentence(live_site: Site, reader_at: Open, count: int) -> None:
    reader = open_with(
        reader_at, f"{live_site.url}/transparency/", {**FIGURES, "models": [FIGURES["models"][0]] * count}
    )

    assert reader.page.locator('[data-fact="name"]').count() == count
    assert reader.page.get_by_text("No model is registered.").count() == (0 if count else 1)


@pytest.mark.parametrize("width", [320, 768, 1280])
@pytest.mark.parametrize("path", [*WRITTEN, "/frugality/", "/fr/frugality/"])
def test_nothing_moves_when_the_figures_come(live_site: Site, reader_at: Open, path: str, width: int) -> None:
    reader = reader_at("about:blank", width=width)
    waiting: list[Route] = []
    reader.page.route(FACTS, lambda route: waiting.append(route))
    with reader.page.expect_request(FACTS):
        reader.page.goto(live_site.url + path)
    for _ in range(100):  # the page has asked; a busy machine may hand the question on a little later
        if waiting:
            break
        reader.page.wait_for_timeout(20)
    before = places(reader)
    assert len(waiting) == 1  # two panels of one page share a reading

    answered(FIGURES)(waiting[0])
    expect(reader.page.locator('[data-when="read"]').first).to_be_visible()

    assert places(reader) == before
    assert reader.page.evaluate("document.documentElement.scrollWidth") == width


def places(reader: Reader) -> list[list[float]]:
    """Return top and height of every cell and line of the panels and of what follows them."""
    return reader.page.evaluate(
        "[...document.querySelectorAll('live-facts dd, live-facts .facts-foot, footer')].map((node) =>"
        " { const box = node.getBoundingClientRect(); return [Math.round(box.top), Math.round(box.height)]; })"
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/transparency/", "cannot be read at this moment"),
        ("/fr/transparency/", "ne peuvent pas être lus en ce moment"),
    ],
)
def test_figures_that_cannot_be_read_are_said_to_be_so(live_site: Site, reader_at: Open, path: str, words: str) -> None:
    reader = reader_at("about:blank")
    reader.page.route(FACTS, lambda route: route.fulfill(status=503, body="{}"))

    reader.page.goto(live_site.url + path)

    expect(reader.page.locator('[data-when="waiting"]').first).to_contain_text(words)
    assert cell(reader, "answers.total") == "–"
    assert all("503" in complaint for complaint in reader.complaints)
    reader.complaints.clear()


@pytest.mark.parametrize(
    ("path", "status"), [("/frugality/", "/live/en/status/"), ("/fr/frugality/", "/live/fr/status/")]
)
def test_without_script_the_panel_leads_to_the_status_page(
    live_site: Site, reader_at: Open, path: str, status: str
) -> None:
    reader = reader_at(live_site.url + path, java_script_enabled=False)

    reader.page.click("live-facts a")

    assert reader.page.url == live_site.url + status
    assert reader.page.locator("h2#counted").is_visible()
