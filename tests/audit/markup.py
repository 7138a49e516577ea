"""Reads a page's HTML as strictly as it was written: what a browser would repair in silence is a finding here."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import lxml.html

from chat.words import word_set

VOID = word_set("area base br col embed hr img input link meta param source track wbr")
# A paragraph ends by itself where one of these begins, and its own end tag then opens an empty one.
ENDS_A_PARAGRAPH = word_set(
    """address article aside blockquote details div dl fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header
    hr main nav ol p pre section table ul"""
)
# Attributes that name other elements of the page by their ids.
REFERENCES = ("for", "aria-labelledby", "aria-describedby", "aria-controls", "aria-details", "headers", "list", "form")

TITLE_LETTERS = range(5, 85)  # 70 of the front matter, a middle dot and the site's name
DESCRIPTION_LETTERS = range(20, 161)

Element = lxml.html.HtmlElement


@dataclass(frozen=True, slots=True)
class Page:
    """One page as the application answered it."""

    path: str
    language: str
    html: str
    tree: Element

    @property
    def ids(self) -> list[str]:
        return [str(found) for found in self.tree.xpath("//@id")]

    @property
    def title(self) -> str:
        return str(self.tree.findtext(".//title") or "")

    @property
    def description(self) -> str:
        return "".join(self.tree.xpath("//meta[@name='description']/@content"))


def page_of(path: str, language: str, html: str) -> Page:
    return Page(path, language, html, lxml.html.document_fromstring(html))


def findings(page: Page) -> list[str]:
    """Return what is wrong with the page by itself; what needs the other pages is looked at elsewhere."""
    return [
        *ill_formed(page.html),
        *_ids(page),
        *_outline(page),
        *_pictures(page),
        *_head(page),
    ]


def ill_formed(html: str) -> list[str]:
    """Return every tag that is not closed in order, every attribute given twice, with its line."""
    reader = _StrictReader()
    reader.feed(html)
    reader.close()
    return reader.found + [f"line {line}: <{tag}> is never closed" for tag, line in reader.open]


@dataclass
class _StrictReader(HTMLParser):
    """Every element that is not void is closed by a tag of its own; in drawings, ``/>`` closes too."""

    open: list[tuple[str, int]] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look_at(tag, attrs)
        if tag not in VOID:
            self.open.append((tag, self.getpos()[0]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look_at(tag, attrs)
        if tag not in VOID and not any(outer in ("svg", "math") for outer, _ in self.open) and tag != "svg":
            self.found.append(f"line {self.getpos()[0]}: <{tag}/> does not close itself in HTML")

    def handle_endtag(self, tag: str) -> None:
        line = self.getpos()[0]
        if self.open and self.open[-1][0] == tag:
            self.open.pop()
        elif tag in [outer for outer, _ in self.open]:
            while self.open[-1][0] != tag:
                inner, began = self.open.pop()
                self.found.append(f"line {line}: </{tag}> closes over <{inner}> of line {began}")
            self.open.pop()
        else:
            self.found.append(f"line {line}: </{tag}> closes nothing")

    def _look_at(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line = self.getpos()[0]
        for name, times in Counter(name for name, _ in attrs).items():
            if times > 1:
                self.found.append(f"line {line}: <{tag}> has {name} {times} times")
        if tag in ENDS_A_PARAGRAPH and self.open and self.open[-1][0] == "p":
            self.found.append(f"line {line}: <{tag}> inside a paragraph")
        if tag == "a" and any(outer == "a" for outer, _ in self.open):
            self.found.append(f"line {line}: a link inside a link")


def _ids(page: Page) -> Iterator[str]:
    counts = Counter(page.ids)
    for name, times in counts.items():
        if times > 1:
            yield f"the id {name} is given {times} times"
    for attribute in REFERENCES:
        for value in page.tree.xpath(f"//@{attribute}"):
            for name in str(value).split():
                if name not in counts:
                    yield f"{attribute}={name} names no element"


def _outline(page: Page) -> Iterator[str]:
    """One h1, and no level left out on the way down. What waits in a template is not on the page yet."""
    levels = [int(tag[1]) for tag in _heading_tags(page)]
    if levels.count(1) != 1:
        yield f"{levels.count(1)} elements h1"
    for before, after in zip([0, *levels], levels, strict=False):
        if after > before + 1:
            yield f"h{after} follows h{before}"
    if len(page.tree.xpath("//main")) != 1:
        yield "not exactly one main"


def _heading_tags(page: Page) -> list[str]:
    found = page.tree.xpath("//*[self::h1 or self::h2 or self::h3 or self::h4 or self::h5 or self::h6]")
    return [heading.tag for heading in found if not heading.xpath("ancestor::template")]


def _pictures(page: Page) -> Iterator[str]:
    for picture in page.tree.xpath("//img"):
        missing = [name for name in ("alt", "width", "height") if name not in picture.attrib]
        if missing:
            yield f"img {picture.get('src')} without {', '.join(missing)}"


def _head(page: Page) -> Iterator[str]:
    if page.tree.get("lang") != page.language:
        yield f"lang is {page.tree.get('lang')}"
    if len(page.title) not in TITLE_LETTERS:
        yield f"the title has {len(page.title)} letters: {page.title}"
    if len(page.description) not in DESCRIPTION_LETTERS:
        yield f"the description has {len(page.description)} letters: {page.description}"
    for what in ("title", "meta[@name='description']", "meta[@name='viewport']"):
        if len(page.tree.xpath(f"/html/head/{what}")) != 1:
            yield f"not exactly one {what} in the head"
