"""A quick look at one page as it is served: what every page owes its reader, without a browser (docs/audits.md)."""

from html.parser import HTMLParser

import httpx

HEADERS = {
    "content-security-policy": "default-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "",
    "x-frame-options": "",
}
EXECUTED = {"", "module", "text/javascript", "application/javascript"}


class Page(HTMLParser):
    """What stands on a page, for ``problems``."""

    def __init__(self) -> None:
        super().__init__()
        self.language = self.title = ""
        self.headings = self.mains = self.inline = 0
        self.described = False
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.headings += tag == "h1"
        self.mains += tag == "main"
        self.inline += "style" in said or any(name.startswith("on") for name in said)
        if tag == "style" or (tag == "script" and "src" not in said and (said.get("type") or "") in EXECUTED):
            self.inline += 1
        if tag == "html":
            self.language = said.get("lang") or ""
        if tag == "meta" and said.get("name") == "description":
            self.described = bool((said.get("content") or "").strip())
        self._in_title = tag == "title" and not self.title

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data.strip()


def problems(response: httpx.Response, *, language: str) -> list[str]:
    """Return what is wrong with a page that was fetched without a cookie."""
    if response.status_code != 200:
        return [f"status {response.status_code}"]
    page = Page()
    page.feed(response.text)
    looks = {
        "sets a cookie": "set-cookie" in response.headers,
        "is not HTML": not response.headers.get("content-type", "").startswith("text/html"),
        f"is marked as {page.language or 'no language'}": page.language != language,
        "has no title": not page.title,
        "has no description": not page.described,
        f"has {page.headings} first headings": page.headings != 1,
        f"has {page.mains} main parts": page.mains != 1,
        "has scripts or styles in it": page.inline > 0,
    }
    missing = [name for name, value in HEADERS.items() if value not in response.headers.get(name, "-missing-")]
    return [problem for problem, wrong in looks.items() if wrong] + [f"has no fitting {name}" for name in missing]
