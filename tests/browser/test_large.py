"""A large model that sleeps, before a signed-in reader's eyes and ears, and what a visitor is told of it."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.browser.conftest import Reader
from tests.browser.devices import Device, add_passkey, newcomer_at
from tests.browser.test_pages import QUESTION, findings
from tests.live import Site, running_site, wait_for

Open = Callable[..., Reader]
WAKE_MS = 120_000
RESTING = ("asleep", "failed")
UNKNOWN = "Who won the football match in Lisbon last night?"
# What the second version's lamp and the live region went through, in order and without repeats.
RECORD = """
window.heard = { lamp: [], said: [] };
const note = (list, value) => value && list.at(-1) !== value && list.push(value);
const look = new MutationObserver(() => {
  note(window.heard.lamp, document.querySelector(".second-version pilot-light")?.getAttribute("state"));
  note(window.heard.said, document.querySelector("#chat-status").textContent);
});
look.observe(document.querySelector("chat-panel"), { attributes: true, childList: true, subtree: true });
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site with the real small model and a large tier that is really asleep and really woken."""
    with running_site(worker=True, large=True, LLM_GPU_IDLE_S="6", LLM_GPU_COOL_DOWN_S="1") as site:
        yield site


@pytest.fixture
def asleep(site: Site) -> Site:
    """The site once its large tier sleeps."""
    wait_for(lambda: large(site) in RESTING, 90, site.log("worker"))
    return site


def large(site: Site) -> str:
    return str(httpx.get(f"{site.url}/api/status", timeout=10).json()["tiers"]["large"]["state"])


def wait_for_second(reader: Reader) -> None:
    """Wait until the newest answer's second version is there, with its receipt."""
    reader.page.wait_for_selector(".turn:last-child .second-version .answer-foot:not([hidden])", timeout=WAKE_MS)
    reader.page.wait_for_selector(".second-stop", state="hidden", timeout=WAKE_MS)


def open_account_strip(reader: Reader) -> None:
    reader.page.focus("#question")
    reader.page.wait_for_selector(".account-strip:not([hidden])")


def test_the_second_version_is_announced_to_eye_and_ear_and_survives_a_reload(asleep: Site, reader_at: Open) -> None:
    reader, _address = newcomer_at(asleep, reader_at, "/chat/")
    page = reader.page
    page.evaluate(RECORD)

    reader.ask(QUESTION)
    wait_for_second(reader)

    heard = page.evaluate("window.heard")
    assert heard["lamp"][0] == "waking" or heard["lamp"][:2] == ["unlit", "waking"]
    assert heard["lamp"][-1] == "large"
    assert any(said.startswith("The large model is being woken for a second version.") for said in heard["said"])
    assert heard["said"][-1].startswith("The second version is there.")
    assert reader.text("answer-card:not(.is-second) .answer-rung").startswith("SmolLM2-135M-Instruct")
    assert reader.text(".is-second .answer-rung").startswith("Large tier, stand-in")

    page.reload()
    assert page.locator(".turn answer-card").count() == 2
    assert page.locator(".turn answer-receipt:not([hidden])").count() == 2
    assert findings(reader) == []


def test_a_newcomer_finds_the_conversation_in_another_browser_and_goes_on(asleep: Site, reader_at: Open) -> None:
    first, _address = newcomer_at(asleep, reader_at, "/accounts/factors/")
    device = add_passkey(asleep, first)
    first.page.goto(f"{asleep.url}/chat/")
    open_account_strip(first)
    first.page.check("[data-part=keep]")
    first.page.locator("#chat-status", has_text="kept for 7 days").wait_for(state="attached")
    first.ask(QUESTION)
    wait_for_second(first)
    assert first.page.locator(".answer-kept:visible").count() == 2

    other = reader_at(f"{asleep.url}/accounts/enter/?next=/account/conversations/")
    Device.of(other).take_passkeys_of(device)
    other.page.click("passkey-form button")
    other.page.wait_for_url("**/account/conversations/")
    assert "Gone in 6 days" in other.page.locator(".conversations li").inner_text()
    other.page.click(".conversations h2 a")
    other.page.wait_for_selector(".stored-version >> nth=1")
    stored = other.page.url
    other.page.click("a.button:has-text('Continue')")
    other.page.wait_for_selector(".turn .second-version", timeout=30_000)
    other.ask("And what about the weights?")
    other.wait_for_end()

    other.page.goto(stored)
    assert other.page.locator(".stored-turn").count() == 2


def test_the_second_version_switched_off_stays_off_and_wakes_nothing(asleep: Site, reader_at: Open) -> None:
    reader, _address = newcomer_at(asleep, reader_at, "/chat/")
    open_account_strip(reader)
    reader.page.uncheck("[data-part=second]")

    reader.page.reload()
    open_account_strip(reader)
    assert not reader.page.is_checked("[data-part=second]")
    reader.ask(QUESTION)
    reader.wait_for_end()

    assert reader.text(".answer-rung").startswith("SmolLM2")
    assert not reader.sees(".second-version") and large(asleep) in RESTING


def test_a_visitor_who_gets_no_answer_is_offered_to_sign_in_by_the_page(asleep: Site, reader_at: Open) -> None:
    reader = reader_at(f"{asleep.url}/chat/")

    reader.ask(UNKNOWN)
    reader.page.click(".sign-in-offer a")

    reader.page.wait_for_url("**/accounts/enter/**")
    assert "next=/chat/" in reader.page.url.replace("%2F", "/")
    assert large(asleep) in RESTING


@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing_by_night_while_the_large_model_wakes(asleep: Site, reader_at: Open, width: int) -> None:
    reader, _address = newcomer_at(asleep, reader_at, "/chat/", color_scheme="dark", width=width, height=800)
    reader.ask(QUESTION)
    reader.page.wait_for_selector(".second-version", timeout=WAKE_MS)

    assert findings(reader) == []
    assert reader.page.evaluate("document.documentElement.scrollWidth") == width
    wait_for_second(reader)
    assert findings(reader) == []


def test_a_kept_conversation_leaves_the_tab_with_its_owner(asleep: Site, reader_at: Open) -> None:
    reader, _address = newcomer_at(asleep, reader_at, "/chat/")
    open_account_strip(reader)
    reader.page.check("[data-part=keep]")
    reader.page.locator("#chat-status", has_text="kept for 7 days").wait_for(state="attached")
    reader.ask("How long do you keep my chats?")
    reader.wait_for_end()

    reader.page.goto(f"{asleep.url}/account/")
    reader.page.click("button:has-text('Sign out')")
    reader.page.wait_for_load_state()
    reader.page.goto(f"{asleep.url}/chat/")

    reader.page.locator(".turn").wait_for(state="detached")
    assert reader.page.evaluate("sessionStorage.getItem('conversation')") is None
