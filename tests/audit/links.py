"""Where the pages lead: every address of this site that a page names, and what stands there."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import Resolver404, resolve

from tests.audit.markup import Page, page_of

ADDRESSES = (
    "//a/@href",
    "//area/@href",
    "//link/@href",
    "//img/@src",
    "//script/@src",
    "//source/@src",
    "//meta[@property='og:url' or @property='og:image']/@content",
    "//*[local-name()='use']/@href",
)
FORMS = "//form/@action | //*/@formaction"
OTHER_SCHEMES = ("mailto", "tel")
SIGN_IN = "/accounts/enter/?next="


@dataclass(frozen=True, slots=True)
class Link:
    """A target on this site as one page names it."""

    path: str
    query: str
    fragment: str

    @property
    def address(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


class Targets:
    """What stands at the site's addresses. Public pages are known already; the rest is asked for once."""

    def __init__(self, pages: dict[str, Page], client: Client) -> None:
        self._pages = dict(pages)
        self._client = client
        self._answers: dict[str, str] = {}

    def findings(self, page: Page) -> Iterator[str]:
        """Yield every link of the page that leads nowhere, to another address, or to a place that is not there."""
        for query in ADDRESSES:
            for written in page.tree.xpath(query):
                yield from self._look_at(page, str(written))
        for written in page.tree.xpath(FORMS):
            path = urlsplit(urljoin(page.path, str(written))).path
            try:
                resolve(path)
            except Resolver404:
                yield f"a form is sent to {written}, where nothing stands"

    def _look_at(self, page: Page, written: str) -> Iterator[str]:
        link = target(page.path, written)
        if link is None:
            scheme = urlsplit(written).scheme
            if scheme not in ("https", *OTHER_SCHEMES):
                yield f"{written} is no secure address"
            return
        said = self._answer(link)
        if said:
            yield f"{written} {said}"
        elif link.fragment and link.path in self._pages and link.fragment not in self._pages[link.path].ids:
            yield f"{written}: no element has that id"

    def _answer(self, link: Link) -> str:
        """Return what is wrong with the address, or nothing."""
        if link.address in self._pages:
            return ""
        if link.address not in self._answers:
            self._answers[link.address] = self._ask(link)
        return self._answers[link.address]

    def _ask(self, link: Link) -> str:
        if link.path.startswith(settings.STATIC_URL):
            return (
                "" if finders.find(link.path.removeprefix(settings.STATIC_URL), find_all=True) else "is no static file"
            )
        response = self._client.get(link.address)
        if response.headers.get("Location", "").startswith(SIGN_IN):
            return ""  # a page of one's own account
        if response.status_code != 200:
            return f"answers {response.status_code} {response.headers.get('Location', '')}".rstrip()
        if response.headers["Content-Type"].startswith("text/html"):
            self._pages.setdefault(link.path, page_of(link.path, "", response.content.decode()))
        return ""


def target(base: str, written: str) -> Link | None:
    """Return where the address leads on this site, or None where it leads elsewhere."""
    own = urlsplit(settings.SITE_URL)
    parts = urlsplit(urljoin(f"{settings.SITE_URL}{base}", written))
    if parts.scheme in OTHER_SCHEMES or (parts.scheme, parts.netloc) != (own.scheme, own.netloc):
        return None
    return Link(parts.path, parts.query, unquote(parts.fragment))
