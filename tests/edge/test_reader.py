"""What somebody with a browser sees when the application behind the edge goes and comes back."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import FLAGS
from tests.edge.stage import Edge, restart_web
from tests.scripted import ScriptedServer, slowly

pytestmark = [pytest.mark.slow, pytest.mark.browser]

FOR_THE_MODEL = "Which licence is the code under and can I reuse it?"
AWAY = {
    "/": "The assistant is away at the moment. The pages of this site can still be read.",
    "/fr/": "L’assistant est absent pour le moment. Les pages de ce site restent lisibles.",
}
WAIT_MS = 20_000


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield launched
        launched.close()


def open_at(browser: Browser, url: str, *, script: bool = True) -> Page:
    """Open a page in a fresh profile; the self-signed certificate is taken."""
    context = browser.new_context(ignore_https_errors=True, java_script_enabled=script)
    page = context.new_page()
    page.goto(url)
    return page


def shown(page: Page, name: str) -> None:
    """Keep a picture for whoever asks for one with PICTURES."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_the_chat_says_that_it_is_away_and_answers_when_it_is_back(
    edge: Edge, model: ScriptedServer, browser: Browser
) -> None:
    pages = {path: open_at(browser, f"{edge.url}{path}") for path in AWAY}
    edge.site.stop()
    for path, page in pages.items():
        page.fill("#question", FOR_THE_MODEL)
        page.press("#question", "Enter")
        expect(page.locator(".turn:last-child .answer-problem")).to_contain_text(AWAY[path], timeout=WAIT_MS)
        shown(page, f"away{path.replace('/', '-')}")
        page.goto(f"{edge.url}{path}blog/")
        expect(page.locator("h1")).to_be_visible()
    plain = open_at(browser, f"{edge.url}/fr/", script=False)
    plain.fill("#question", FOR_THE_MODEL)
    plain.click(".composer-ask")
    assert plain.locator("html").get_attribute("lang") == "fr" and "503" in plain.inner_text("main")
    shown(plain, "away-without-script")

    restart_web(edge.site)
    model.behaviour = slowly(0.25, ("word ",) * 200)
    page = open_at(browser, f"{edge.url}/")
    page.fill("#question", FOR_THE_MODEL)
    page.press("#question", "Enter")
    stream = page.locator(".turn:last-child .answer-text")
    expect(stream).to_contain_text("word word word", timeout=WAIT_MS)
    shown(page, "back-streaming")
    page.click(".composer-stop")
    expect(page.locator(".turn:last-child .answer-stage")).to_contain_text("stopped by you", timeout=WAIT_MS)
    shown(page, "back-stopped")
    assert model.last.closed_at is not None


def test_with_hosts_apart_the_sites_page_asks_the_chats_host_and_nobody_gets_a_cookie(
    edge_apart: Edge, model: ScriptedServer, browser: Browser
) -> None:
    model.reset()
    page = open_at(browser, "about:blank")
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.goto(f"{edge_apart.url}/")
    page.fill("#question", FOR_THE_MODEL)
    page.press("#question", "Enter")
    expect(page.locator(".turn:last-child .answer-text")).to_contain_text("Apache", timeout=WAIT_MS)
    expect(page.locator(".composer-ask")).to_be_visible()
    shown(page, "apart")

    chat = edge_apart.env["CHAT_URL"]
    assert asked == [chat.replace("https", "wss") + "/ws/chat/"]
    assert page.context.cookies() == [] and complaints == []
    # Where no socket can open, the same question goes over HTTP, from one host to the other.
    plain = open_at(browser, "about:blank")
    plain.add_init_script("delete window.WebSocket")
    plain.goto(f"{edge_apart.url}/fr/")
    with plain.expect_response(f"{chat}/api/chat") as answered:
        plain.fill("#question", "Sous quelle licence est le code, et puis-je le réutiliser ?")
        plain.press("#question", "Enter")
    assert answered.value.status == 200
    expect(plain.locator(".turn:last-child blockquote")).to_contain_text("Apache", timeout=WAIT_MS)
    # And without the application, the page on the site's own host says who is away.
    edge_apart.site.stop()
    away = open_at(browser, f"{edge_apart.url}/fr/")
    away.fill("#question", FOR_THE_MODEL)
    away.press("#question", "Enter")
    expect(away.locator(".turn:last-child .answer-problem")).to_contain_text(AWAY["/fr/"], timeout=WAIT_MS)
