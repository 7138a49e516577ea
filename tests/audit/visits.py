"""One page in a browser, as several readers meet it: wide and narrow, by day and by night, by keyboard, without script.

Every look returns what it found as sentences and raises nothing, so that one run tells everything about a page.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urldefrag, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Request, Response
from playwright.sync_api import Page as Tab

from tests.audit import words

Scheme = Literal["light", "dark"]

WIDE, NARROW = (1440, 900), (320, 640)
WAIT_MS = 20_000
PATIENCE_S = 5
QUIET_MS = 60  # nothing under way for so long, twice: the page has what it asked for

LISTEN = (Path(__file__).parent / "listen.js").read_text(encoding="utf-8")
READ = (Path(__file__).parent / "read.js").read_text(encoding="utf-8")
KEYS = (Path(__file__).parent / "keys.js").read_text(encoding="utf-8")


@dataclass
class Visit:
    """A page opened in a fresh profile, and everything it said and loaded since."""

    tab: Tab
    host: str
    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    under_way: set[Request] = field(default_factory=set)
    status: int = 0

    def listen(self) -> None:
        self.tab.on("console", self._hear)
        self.tab.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.tab.on("request", self._begin)
        self.tab.on("requestfinished", lambda request: self.under_way.discard(request))
        self.tab.on("requestfailed", lambda request: self.under_way.discard(request))
        self.tab.on("response", lambda response: self.responses.append(response))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _begin(self, request: Request) -> None:
        self.requests.append(request)
        # The browser fetches its icon beside the page, and does not always tell the page that it has it.
        if "favicon" not in request.url:
            self.under_way.add(request)

    def open(self, url: str) -> None:
        response = self.tab.goto(url, wait_until="load", timeout=WAIT_MS)
        self.status = response.status if response else 0
        quiet, ends = 0, time.monotonic() + PATIENCE_S
        while quiet < 2 and time.monotonic() < ends:
            quiet = 0 if self.under_way else quiet + 1
            self.tab.wait_for_timeout(QUIET_MS)
        self.complaints += [f"still under way after {PATIENCE_S} s: {request.url}" for request in self.under_way]

    # --- what is wrong with it ---

    def behaviour(self, *, expected: int = 200) -> Iterator[str]:
        """Yield complaints of console and policy, requests to other hosts, and what was kept in the browser."""
        if self.status != expected:
            yield f"answers {self.status}"
        for said in self.complaints:
            # A browser reports a page that is not there, which is right, once.
            if expected == 200 or f"status of {expected}" not in said:
                yield said
        for request in self.requests:
            if urlsplit(request.url).netloc != self.host:
                yield f"asks another host: {request.url}"
        for response in self.responses:
            if response.status >= 400 and response.url != urldefrag(self.tab.url).url:
                yield f"{response.status}: {response.url}"
        for cookie in self.tab.context.cookies():
            yield f"leaves the cookie {cookie.get('name')}"

    def kept(self) -> Iterator[str]:
        if self.tab.evaluate("localStorage.length"):
            yield "leaves something in the local storage"

    def room(self) -> Iterator[str]:
        """Yield what makes the page wider than its window."""
        for found in self.tab.evaluate(f"({READ}).tooWide()"):
            yield f"scrolls sideways: {found}"

    def shifts(self) -> Iterator[str]:
        """Yield what moved while the page loaded, its fonts and live figures among it."""
        self.tab.evaluate("document.fonts.ready.then(() => true)")
        for found in self.tab.evaluate("window.auditShifts"):
            yield f"moves while loading: {found}"

    def axe(self) -> Iterator[str]:
        """Yield what axe finds. Its own styles break the policy, so the complaints it causes are taken back."""
        before = len(self.complaints)
        for one in Axe().run(self.tab).response["violations"]:
            for node in one["nodes"]:
                yield f"axe {one['id']}: {' '.join(map(str, node['target']))} {node['html'][:120]}"
        del self.complaints[before:]

    def words(self) -> Iterator[str]:
        """Yield words that are shown in a language other than the one the page says they are in."""
        said = [words.Said(text, language) for text, language in self.tab.evaluate(f"({READ}).words()")]
        for text in words.left_in_another_language(said):
            yield f"not translated: {text}"

    def first_load(self) -> tuple[int, int]:
        """Return what the page took on the line: everything, and without its pictures."""
        sizes = [(wire_bytes(each), each.request.resource_type) for each in self.responses]
        return sum(size for size, _ in sizes), sum(size for size, kind in sizes if kind != "image")

    # --- by keyboard ---

    def keyboard(self) -> Iterator[str]:
        """Yield what Tab does not reach, reaches out of order or without showing it, and where it stays caught."""
        there = self.tab.evaluate(f"window.auditKeys = {KEYS}; window.auditKeys.begin()")
        reached: list[int] = []
        for _ in range(len(there) + 10):
            self.tab.keyboard.press("Tab")
            now = self.tab.evaluate("window.auditKeys.now()")
            if now["index"] is None or (reached and now["index"] == reached[0]):
                break
            yield from (f"keyboard: {there[now['index']]} {problem}" for problem in now["problems"])
            if reached and now["index"] <= reached[-1]:
                yield f"keyboard: {there[now['index']]} comes after {there[reached[-1]]}"
            if now["index"] in reached:
                break
            reached.append(now["index"])
        else:
            yield f"keyboard: no way out after {there[reached[-1]] if reached else 'the start'}"
        for index in sorted(set(range(len(there))) - set(reached)):
            yield f"keyboard: {there[index]} is not reached"

    def skip_link(self) -> Iterator[str]:
        """Yield what is wrong with the first stop of the keyboard, which leads past the navigation."""
        self.tab.keyboard.press("Tab")
        if not self.tab.evaluate("document.activeElement.matches('a[href^=\"#\"]')"):
            yield "skip link: it is not the first stop"
            return
        self.tab.keyboard.press("Enter")
        self.tab.keyboard.press("Tab")
        if not self.tab.evaluate("Boolean(document.activeElement.closest('main, footer'))"):
            yield "skip link: the next stop is not in the content"

    # --- without script ---

    def without_script(self) -> Iterator[str]:
        """Yield what a reader without script misses: the content, a form that can be sent, anything visibly empty."""
        for found in self.tab.evaluate(f"({READ}).missing()"):
            yield f"without script: {found}"


def wire_bytes(response: Response) -> int:
    """Return what the response takes on the line: its headers, and its body as it was sent."""
    sizes = response.request.sizes()
    return sizes["responseHeadersSize"] + sizes["responseBodySize"]


@contextmanager
def visit(browser: Browser, url: str, *, size: tuple[int, int], scheme: Scheme, script: bool = True) -> Iterator[Visit]:
    """Open the address as a first-time visitor and give the visit; the profile is gone afterwards."""
    viewport: Any = {"width": size[0], "height": size[1]}
    context: BrowserContext = browser.new_context(viewport=viewport, color_scheme=scheme, java_script_enabled=script)
    try:
        found = Visit(context.new_page(), urlsplit(url).netloc)
        found.listen()
        if script:
            found.tab.add_init_script(LISTEN)
        found.open(url)
        yield found
    finally:
        context.close()


@dataclass
class Seen:
    """Everything found on one page, and what its first load took in bytes."""

    findings: list[str] = field(default_factory=list)
    all_bytes: int = 0
    bytes_without_pictures: int = 0


def look_at(browser: Browser, url: str, *, expected: int = 200) -> Seen:
    """Return what five readers find on a page: wide by day and by night, narrow by both, and one without script."""
    seen = Seen()

    def note(where: str, found: Iterator[str]) -> None:
        seen.findings += [f"{where}: {one}" for one in found]

    with visit(browser, url, size=WIDE, scheme="light") as wide:
        seen.all_bytes, seen.bytes_without_pictures = wide.first_load()
        for look in (wide.shifts(), wide.room(), wide.words(), wide.keyboard(), wide.kept(), wide.axe()):
            note("1440 light", look)
        note("1440 light", wide.behaviour(expected=expected))
    with visit(browser, url, size=WIDE, scheme="dark") as wide:
        for look in (wide.shifts(), wide.room(), wide.skip_link(), wide.behaviour(expected=expected)):
            note("1440 dark", look)
    with visit(browser, url, size=NARROW, scheme="light") as narrow:
        for look in (narrow.shifts(), narrow.room(), narrow.keyboard(), narrow.behaviour(expected=expected)):
            note("320 light", look)
    with visit(browser, url, size=NARROW, scheme="dark") as narrow:
        for look in (narrow.shifts(), narrow.room(), narrow.axe(), narrow.behaviour(expected=expected)):
            note("320 dark", look)
    with visit(browser, url, size=NARROW, scheme="light", script=False) as plain:
        for look in (plain.room(), plain.without_script(), plain.behaviour(expected=expected)):
            note("320 without script", look)
    return seen
