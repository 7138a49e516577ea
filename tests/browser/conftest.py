"""A reader with a browser: pages that record every complaint of the console and of the policy."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.live import Site, running_site
from tests.scripted import ScriptedServer

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 30_000
SKIPPED_TRANSITION = ("Transition was aborted", "Transition was skipped")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser and a whole site are not for the short run."""
    for item in items:
        if "/tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)


@dataclass
class Reader:
    """Somebody with a browser window. ``complaints`` are console errors, uncaught exceptions and policy violations."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def listen(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", self._hear_exception)
        self.page.add_init_script(
            "document.addEventListener('securitypolicyviolation',"
            " (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));"
        )

    def _hear_exception(self, error: Exception) -> None:
        # Chromium's own note that it left out the fade between two pages, on a busy machine: nothing of ours ran.
        if not str(error).startswith(SKIPPED_TRANSITION):
            self.complaints.append(f"exception: {error}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def ask(self, question: str) -> None:
        """Type the question and press Enter, as most people do. Returns once its turn is on the page."""
        turns = self.page.locator(".turn").count()
        self.page.fill("#question", question)
        self.page.press("#question", "Enter")
        self.page.locator(".turn").nth(turns).wait_for(timeout=WAIT_MS)

    def wait_for_end(self) -> None:
        """Wait until the newest answer has ended, whichever way."""
        self.page.wait_for_selector(".composer-ask:not([hidden])", timeout=WAIT_MS)

    def text(self, selector: str) -> str:
        """Return the text of the newest answer's part."""
        return self.page.locator(f".turn:last-child {selector}").inner_text()

    def sees(self, selector: str) -> bool:
        return self.page.locator(f".turn:last-child {selector}").is_visible()


@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    """One Chromium for these tests; it ends with them, because Playwright keeps an event loop in this thread."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def reader_at(browser: Browser) -> Iterator[Callable[..., Reader]]:
    """Return a function that opens an address in a fresh profile. No page may have complained by the end."""
    readers: list[Reader] = []

    def open_at(url: str, *, width: int = 1280, height: int = 800, **options: Any) -> Reader:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        reader = Reader(context.new_page())
        readers.append(reader)
        reader.listen()
        reader.page.goto(url)
        return reader

    yield open_at
    complaints = [complaint for reader in readers for complaint in reader.complaints]
    for reader in readers:
        reader.page.context.close()
    assert complaints == []


@dataclass
class Stage:
    """A site and the scripted model server behind it."""

    site: Site
    server: ScriptedServer

    @property
    def url(self) -> str:
        return self.site.url


@pytest.fixture(scope="package")
def scripted_site() -> Iterator[Stage]:
    with ScriptedServer() as server:
        overrides = {"LLM_CPU_URL": server.url, "LLM_CPU_CACHE_MIB": "0", "LLM_IDLE_S": "20"}
        with running_site(model=False, **overrides) as site:
            yield Stage(site, server)


@pytest.fixture
def stage(scripted_site: Stage) -> Stage:
    """A site whose model server says what the test tells it to."""
    scripted_site.server.reset()
    return scripted_site
