"""Pages in a browser: nothing complains, nothing moves, nothing is cut off, and everyone gets at everything.

Five pages in the plain run; ``bin/test -m audit`` opens every page of the sitemap and those it leaves out.
"""

import pytest
from playwright.sync_api import Browser

from content.site import public_pages
from tests.audit.faulty import faulty_page
from tests.audit.test_markup import tell
from tests.audit.visits import look_at
from tests.live import Site

SLICE = ("/", "/fr/chat/", "/blog/answer-ladder/", "/fr/frugality/", "/live/en/chat/")
# Readers meet these as well, though no sitemap lists them.
BESIDES = {
    "/live/en/chat/": 200,
    "/live/fr/chat/": 200,
    "/live/en/status/": 200,
    "/live/fr/status/": 200,
    "/nowhere/": 404,
    "/fr/nulle-part/": 404,
}
HOME_BYTES = 60_000
ARTICLE_BYTES = 40_000  # without pictures

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def every_path() -> list[str]:
    return [*(page.path for page in public_pages()), *BESIDES]


def articles() -> set[str]:
    return {page.path for page in public_pages() if page.document and page.document.kind == "posts"}


def test_the_visits_find_every_fault_of_a_faulty_page(browser: Browser) -> None:
    with faulty_page() as url:
        found = "\n".join(look_at(browser, url).findings)

    for fault in (
        "moves while loading: ",
        "scrolls sideways: ",
        "not translated: Skip to the content",
        "axe color-contrast: ",
        "error: something is wrong",
        "error: policy: connect-src",
        "asks another host: http://127.0.0.2:9/elsewhere.png",
        "leaves the cookie visitor",
        "leaves something in the local storage",
        "keyboard: a.blind “Sans marque” shows no focus",
        "keyboard: a.trap “Le piège” comes after a.trap “Le piège”",
        "keyboard: a.beyond “Jamais atteint” is not reached",
        "keyboard: a.blind “Sans marque” comes after a “Au début”",
        "skip link: it is not the first stop",
        "without script: empty: p.empty",
    ):
        assert fault in found, found


@pytest.mark.parametrize("path", SLICE)
def test_a_page_of_the_slice_is_well_for_every_reader(live_site: Site, browser: Browser, path: str) -> None:
    visit_and_tell(live_site, browser, path)


@pytest.mark.audit
@pytest.mark.parametrize("path", every_path())
def test_every_page_is_well_for_every_reader(live_site: Site, browser: Browser, path: str) -> None:
    visit_and_tell(live_site, browser, path)


def visit_and_tell(site: Site, browser: Browser, path: str) -> None:
    """Fail with all the findings on a page, and print what its first load took."""
    seen = look_at(browser, f"{site.url}{path}", expected=BESIDES.get(path, 200))
    print(f"\n{path}: {seen.all_bytes:,} bytes over the line, {seen.bytes_without_pictures:,} without pictures")
    if path in ("/", "/fr/") and seen.all_bytes > HOME_BYTES:
        seen.findings.append(f"first load: {seen.all_bytes:,} bytes, at most {HOME_BYTES:,}")
    if path in articles() and seen.bytes_without_pictures > ARTICLE_BYTES:
        seen.findings.append(f"first load: {seen.bytes_without_pictures:,} bytes, at most {ARTICLE_BYTES:,}")
    tell({path: seen.findings})
