"""What a visitor sees and does with the assistant."""

import re
from collections.abc import Callable

import pytest

from tests.browser.conftest import Reader, Stage
from tests.live import Site, wait_for
from tests.scripted import slowly

Open = Callable[..., Reader]

# Our pages answer it, no approved pair does, and it is English: a model writes.
FOR_THE_MODEL = "Which licence is the code under and can I reuse it?"
VERIFIED = "How much energy does an answer use?"
UNKNOWN = "Who won the football match in Lisbon last night?"
SLOWLY = slowly(0.25, ("the ", "code ", "is ", "under ", "the ", "Apache ", "licence, ", "version ", "two") * 4)


def test_the_quote_stands_above_the_words_of_the_real_model(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(live_site.url)

    reader.ask(FOR_THE_MODEL)
    reader.wait_for_end()

    assert "Apache" in reader.text("blockquote")
    assert "SmolLM2-135M-Instruct" in reader.text(".answer-rung") and "CPU" in reader.text(".answer-rung")
    assert reader.text(".answer-text").strip()
    quote = reader.page.locator("blockquote").bounding_box()
    text = reader.page.locator(".answer-text").bounding_box()
    assert quote and text and quote["y"] + quote["height"] <= text["y"]


def test_the_receipt_is_one_press_away(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(live_site.url)
    reader.ask(FOR_THE_MODEL)
    reader.wait_for_end()

    reader.page.click("answer-receipt summary")

    shown = reader.text("answer-receipt table")
    assert "SmolLM2-135M-Instruct" in shown and " J" in shown and re.search(r"[0-9a-f]{64}", shown)


def test_a_verified_answer_lights_no_lamp_and_names_its_source(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/chat/")

    reader.ask(VERIFIED)
    reader.wait_for_end()

    assert reader.text(".answer-rung") == "Verified: prepared in advance, no model"
    assert reader.page.locator("answer-card pilot-light").get_attribute("state") == "unlit"
    assert reader.page.locator(".answer-sources a").count() == 1
    assert reader.page.locator("rung-ladder [aria-current]").get_attribute("data-rung") == "verified"


def test_what_no_page_speaks_of_is_not_known(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/chat/")

    reader.ask(UNKNOWN)
    reader.wait_for_end()

    assert reader.text(".answer-rung").startswith("Does not know")
    assert not reader.sees(".answer-quote")


def test_a_quoted_answer_is_not_shown_twice(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/fr/chat/")

    reader.ask("Sous quelle licence est le code, et puis-je le réutiliser ?")
    reader.wait_for_end()

    assert reader.text(".answer-rung").startswith("Citée de nos pages")
    assert reader.sees("blockquote") and not reader.sees(".answer-text")


def test_a_suggestion_is_asked_by_pressing_it(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(live_site.url)
    suggestion = reader.page.locator(".suggestions button").first
    asked = suggestion.inner_text()

    suggestion.click()
    reader.wait_for_end()

    assert reader.text(".turn-question") == asked
    assert not reader.page.locator(".suggestions").is_visible()


def test_everything_works_by_keyboard_alone(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/chat/")
    keyboard = reader.page.keyboard

    for _step in range(12):
        keyboard.press("Tab")
        if reader.page.evaluate("document.activeElement.id") == "question":
            break
    keyboard.type("first line")
    keyboard.press("Shift+Enter")
    keyboard.type(VERIFIED)
    assert reader.page.input_value("#question") == f"first line\n{VERIFIED}"
    keyboard.press("Enter")
    reader.wait_for_end()

    assert reader.page.evaluate("document.activeElement.id") == "question"
    assert reader.page.input_value("#question") == ""


def test_the_status_node_speaks_and_the_stream_does_not(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/chat/")

    reader.ask(VERIFIED)
    reader.wait_for_end()

    said = reader.page.locator("#chat-status").text_content() or ""
    assert said.startswith("Done.") and reader.text(".answer-quote .answer-text") in said
    assert reader.page.locator("answer-card [aria-live]").count() == 0
    assert "AI" in (reader.page.locator("#ai-notice").text_content() or "")
    assert "ai-notice" in (reader.page.get_attribute("#question", "aria-describedby") or "")


def test_escape_stops_the_answer_and_frees_the_model(stage: Stage, reader_at: Open) -> None:
    stage.server.behaviour = SLOWLY
    reader = reader_at(stage.url)
    reader.ask(FOR_THE_MODEL)
    reader.page.wait_for_selector(".stream")

    reader.page.keyboard.press("Escape")
    reader.wait_for_end()

    assert reader.text(".answer-stage") == "stopped by you"
    wait_for(lambda: stage.server.last.closed_at is not None, 2)
    assert reader.text(".answer-text").strip()


def test_a_reload_goes_on_where_the_answer_was(stage: Stage, reader_at: Open) -> None:
    stage.server.behaviour = SLOWLY
    reader = reader_at(stage.url)
    reader.ask(FOR_THE_MODEL)
    reader.page.wait_for_selector(".stream")
    before = reader.text(".stream")

    reader.page.reload()
    reader.page.wait_for_selector(".composer-stop:not([hidden])")
    reader.wait_for_end()

    text = reader.text(".answer-text")
    assert text.startswith(before.strip()) and len(text) > len(before)
    assert len(stage.server.requests) == 1


def test_a_finished_conversation_is_there_after_a_reload_until_it_is_cleared(live_site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{live_site.url}/chat/")
    reader.ask(VERIFIED)
    reader.wait_for_end()
    reader.page.fill("#question", "a draft")

    reader.page.reload()

    assert reader.text(".turn-question") == VERIFIED
    assert reader.page.input_value("#question") == "a draft"

    reader.page.click(".composer-new")
    reader.page.reload()

    assert reader.page.locator(".turn").count() == 0


def test_an_answer_that_is_gone_gives_the_question_back(stage: Stage, reader_at: Open) -> None:
    stage.server.behaviour = SLOWLY
    reader = reader_at(f"{stage.url}/chat/")
    reader.ask(FOR_THE_MODEL)
    reader.page.wait_for_selector(".stream")

    # The page comes back with a secret that the server does not know, as it does after the server forgot the answer.
    reader.page.goto("about:blank")
    reader.page.add_init_script(
        """
        const kept = sessionStorage.getItem("conversation") ?? "[]";
        const other = `"secret":"${"A".repeat(43)}"`;
        sessionStorage.setItem("conversation", kept.replace(/"secret":"[^"]+"/, other));
        """
    )
    reader.page.goto(f"{stage.url}/chat/")
    reader.wait_for_end()

    assert "no longer there" in reader.text("[role=alert]")
    assert reader.page.input_value("#question") == FOR_THE_MODEL


def test_a_broken_answer_says_so_and_can_be_asked_again(stage: Stage, reader_at: Open) -> None:
    async def break_off(wire):  # type: ignore[no-untyped-def]
        await wire.head()
        await wire.say("The code ")

    stage.server.behaviour = break_off
    reader = reader_at(f"{stage.url}/chat/")
    reader.ask(FOR_THE_MODEL)
    reader.page.wait_for_selector("[role=alert]:visible")

    assert reader.text(".answer-rung") == "The answer is not complete"
    assert re.search(r"[0-9a-f]{32}", reader.text(".answer-id"))
    assert reader.page.locator("answer-card pilot-light").get_attribute("state") == "out"

    stage.server.reset()
    reader.page.click(".answer-retry:enabled")
    reader.page.wait_for_selector("answer-card pilot-light[state=small]:not([live])")

    assert reader.page.locator(".turn").count() == 1


def test_without_a_socket_the_answer_comes_over_http(live_site: Site, reader_at: Open) -> None:
    reader = reader_at("about:blank")
    reader.page.add_init_script(
        "delete window.WebSocket; window.WebSocket = class { constructor() { throw new Error(); } };"
    )
    reader.page.goto(f"{live_site.url}/chat/")

    reader.ask(FOR_THE_MODEL)
    reader.wait_for_end()

    assert "Apache" in reader.text("blockquote") and reader.text(".answer-text").strip()


def test_text_of_a_model_never_becomes_markup(stage: Stage, reader_at: Open) -> None:
    stage.server.behaviour = slowly(0, ("<img src=x onerror=alert(1)> ", "<b>licence</b> ", "[x](javascript:alert(1))"))
    reader = reader_at(f"{stage.url}/chat/")

    reader.ask(FOR_THE_MODEL)
    reader.wait_for_end()

    assert "<img src=x" in reader.text(".answer-text")
    assert reader.page.locator(".answer-text img, .answer-text b, .answer-text a").count() == 0


@pytest.mark.parametrize("path", ["/", "/fr/chat/"])
def test_without_script_the_form_still_answers(live_site: Site, reader_at: Open, path: str) -> None:
    reader = reader_at(f"{live_site.url}{path}", java_script_enabled=False)

    reader.page.fill(
        "#question", VERIFIED if path == "/" else "Sous quelle licence est le code, et puis-je le réutiliser ?"
    )
    reader.page.click("button[type=submit] >> nth=0")

    reader.page.wait_for_selector("#answer .answer-rung")
    assert "/live/" in reader.page.url
    assert reader.page.locator("#answer .answer-sources a").count() >= 1
    assert reader.page.locator("#answer .answer-rung").inner_text().strip()
