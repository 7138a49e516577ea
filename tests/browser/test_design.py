"""The design system: its page shows everything there is, its colours can be read, it keeps still, prints and fits."""

import re
from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import Response

from siteproject.stack.folder import ROOT
from tests.audit.visits import wire_bytes
from tests.browser.conftest import Reader
from tests.browser.test_pages import findings
from tests.live import Site, running_site

Open = Callable[..., Reader]
Scheme = Literal["light", "dark"]

ARTICLE = "/blog/how-this-site-is-made/"
ARTICLE_BYTES = 40_000
WITH_LINKS_OUTSIDE = "/frugality/"
SCHEMES = ["light", "dark"]
# These are no colour, size or space that anybody could look at.
UNSEEN = {"print", "voice", "meter", "page", "gutter", "touch", "radius", "hairline", "rule"} | {
    "weight-read",
    "weight-strong",
}


@pytest.fixture(scope="module")
def design_site(live_site: Site) -> Iterator[Site]:
    """A developer's site, the only kind that has the component page.

    It asks for the plain site first: static files are collected once for all sites, and under plain names here.
    """
    with running_site(model=False, DEBUG="1") as site:
        yield site


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_pair_of_colours_can_be_read(design_site: Site, reader_at: Open, scheme: Scheme) -> None:
    reader = reader_at(f"{design_site.url}/design/", color_scheme=scheme)
    reader.page.wait_for_selector("[data-found]")

    pairs = reader.page.eval_on_selector_all(
        "[data-ink]", "rows => rows.map(({dataset: d}) => [d.ink, d.ground, Number(d.found), Number(d.needs)])"
    )

    assert len(pairs) >= 12
    assert [pair for pair in pairs if not pair[2] >= pair[3]] == []


def test_contrast_is_computed_as_wcag_computes_it(design_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{design_site.url}/design/")

    found = reader.page.evaluate(
        "import('/static/js/design-contrast.js')"
        ".then(({contrast}) => [contrast([0, 0, 0], [255, 255, 255]), contrast([119, 119, 119], [255, 255, 255])])"
    )

    assert found == [pytest.approx(21), pytest.approx(4.48, abs=0.005)]


def test_the_page_shows_every_colour_size_and_space_there_is(design_site: Site, reader_at: Open) -> None:
    sheet = (ROOT / "static" / "css" / "tokens.css").read_text(encoding="utf-8")
    first_block = sheet[sheet.index(":root {") : sheet.index("@media")]
    tokens = set(re.findall(r"^\s+--([a-z0-9-]+):", first_block, re.MULTILINE)) - UNSEEN

    shown = reader_at(f"{design_site.url}/design/").page.locator("main").inner_text()

    assert {token for token in tokens if token.removeprefix("text-") not in shown} == set()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_on_the_component_page(design_site: Site, reader_at: Open, scheme: Scheme) -> None:
    assert findings(reader_at(f"{design_site.url}/design/", color_scheme=scheme)) == []


def test_the_component_page_fits_320_pixels(design_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{design_site.url}/design/", width=320, height=640)

    assert reader.page.evaluate("document.documentElement.scrollWidth") == 320


def test_the_component_page_is_for_developers_only(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/design/")

    assert reader.page.locator("[data-ink]").count() == 0
    assert len(reader.complaints) == 1 and "404" in reader.complaints.pop()


def test_pages_are_set_in_the_letters_we_keep(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(live_site.url)

    assert reader.page.evaluate("document.fonts.ready.then((fonts) => [...fonts].map((font) => font.status))") == [
        "loaded"
    ]


def test_under_reduced_motion_only_the_waking_lamp_moves(design_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{design_site.url}/design/", reduced_motion="reduce")

    moving = reader.page.evaluate("document.getAnimations().map((each) => each.animationName)")

    assert moving == ["wake"]


def test_on_paper_a_page_has_no_navigation_and_its_links_say_where_they_lead(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}{WITH_LINKS_OUTSIDE}")
    reader.page.emulate_media(media="print")

    for part in (".site-bar", ".site-foot ul", ".sheet-side"):
        assert not reader.page.locator(part).first.is_visible(), part
    outside = reader.page.locator("main a[href^=http]").first
    after = outside.evaluate("(link) => getComputedStyle(link, '::after').content")
    assert outside.get_attribute("href") in after


def test_an_article_is_small_on_the_line(live_site: Site, reader_at: Open) -> None:
    reader = reader_at("about:blank")
    responses: list[Response] = []
    reader.page.on("response", lambda response: responses.append(response))

    reader.page.goto(f"{live_site.url}{ARTICLE}", wait_until="networkidle")

    taken = [response for response in responses if response.request.resource_type != "image"]
    assert sum(wire_bytes(response) for response in taken) <= ARTICLE_BYTES
