"""The way to the team from a question to an answered message, as a reader and as staff, with real mail and worker."""

import re
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import httpx
import pytest

from tests.browser.conftest import Reader
from tests.browser.staff import staff_reader
from tests.browser.test_pages import findings
from tests.live import Site, running_site, wait_for
from tests.scripted import ScriptedServer

Open = Callable[..., Reader]
TEAM, SENDER = "team@example.org", "bob@example.org"
ASKED = [
    ("en", "I want to report a security hole in your login", "incident"),
    ("en", "Please delete all the data you have about me", "privacy"),
    ("en", "I am a journalist and would like to interview someone", "press"),
    ("fr", "Je voudrais signaler une faille de sécurité dans votre connexion", "incident"),
    ("fr", "Merci d'effacer toutes les données que vous avez sur moi", "privacy"),
    ("fr", "Je suis journaliste et je voudrais interviewer quelqu'un", "press"),
]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site with a worker and somebody to tell; no model is asked here."""
    with ScriptedServer() as server:
        with running_site(
            model=False, worker=True, LLM_CPU_URL=server.url, TEAM_EMAIL=TEAM, CONTACT_RATE_LIMIT="1000/1h"
        ) as site:
            yield site


def mails(site: Site, to: str) -> list[str]:
    """Return what was sent to an address, oldest first, as plain text."""
    found = []
    for path in sorted((site.folder.path / "mail").glob("*.log"), key=lambda path: path.stat().st_mtime_ns):
        for part in re.split(rb"\n-{70,}\n", Path(path).read_bytes()):
            mail = message_from_bytes(part.strip(), policy=default)
            body = mail.get_body(("plain",)) if mail["To"] == to else None
            if body is not None:
                found.append(f"{mail['Subject']}\n{body.get_content()}")
    return found


def answer_in_admin(reader: Reader, site: Site, link: str, text: str) -> None:
    page = reader.page
    page.goto(link)
    page.click("input[value='Take it']")
    page.fill("#thread-words", text)
    page.click("input[value='Send the answer']")
    page.click("input[value='Close it']")
    assert page.locator("input[value='Open it again']").is_visible()


def test_three_wishes_in_each_language_reach_the_team_are_answered_and_closed(site: Site, reader_at: Open) -> None:
    links, numbers = [], []
    for language, question, kind in ASKED:
        done = site.events(question, language=language)[-1]
        assert (done["rung"], done["contact"]["kind"]) == ("verified", kind), question

        with httpx.Client(base_url=site.url, timeout=30) as visitor:
            page = visitor.post(f"/live/{language}/chat/", data={"question": question}).text
            assert f'action="/live/{language}/contact/"' in page
            form = visitor.post(f"/live/{language}/contact/", data={"question": question, "kind": kind}).text
            draft = re.search(r'name="id" value="([^"]+)"', form)
            assert draft and question.replace("'", "&#x27;") in form
            sent = visitor.post(
                f"/live/{language}/contact/send/",
                data={"id": draft[1], "kind": kind, "text": question, "wants_answer": "yes", "reply_to": SENDER},
            )
        shown = re.search(r'contact-number">(M-[^<]+)<', sent.text)
        assert shown, sent.text[:2000]
        numbers.append((language, shown[1]))

    wait_for(lambda: len(mails(site, TEAM)) >= 3, 40, site.log("worker"))
    for told in mails(site, TEAM):
        links += re.findall(rf"{site.url}/admin/chat/teammessage/\S+", told)
        assert not any(question in told or SENDER in told for _language, question, _kind in ASKED)
    assert len(links) == 3, "one notice for each kind, the second of a kind waits"
    assert mails(site, SENDER) == [], "nothing automatic goes to an address that somebody typed"

    staff = staff_reader(site, reader_at)
    listed = f"{site.url}/admin/chat/teammessage/?due=open"
    for n in range(len(ASKED)):
        staff.page.goto(listed)
        link = staff.page.locator("#result_list tbody th a").first.get_attribute("href")
        answer_in_admin(staff, site, f"{site.url}{link}", f"Our answer number {n}.")
    assert findings(staff) == []
    wait_for(lambda: len(mails(site, SENDER)) == len(ASKED), 90, site.log("worker"))
    assert any("Vous nous avez écrit" in each or "You wrote to us" in each for each in mails(site, SENDER))

    for language, number in numbers:
        stands = httpx.post(f"{site.url}/live/{language}/messages/", data={"number": number}).text
        assert ("closed" if language == "en" else "clos") in stands.lower() and "<time" not in stands
    site.manage("shell", "-v", "0", "-c", EXPIRE)
    language, number = numbers[0]
    assert httpx.post(f"{site.url}/live/{language}/messages/", data={"number": number}).status_code == 404


EXPIRE = """
from django.utils import timezone
from chat import retention
from chat.models import TeamMessage
TeamMessage.objects.update(expires_at=timezone.now())
retention.delete_expired()
assert not TeamMessage.objects.exists()
"""


def test_a_reader_sends_a_message_inside_the_chat_by_keyboard(site: Site, reader_at: Open) -> None:
    reader = reader_at(f"{site.url}/chat/", width=320, height=700)
    page = reader.page
    reader.ask("I want my data deleted")
    reader.wait_for_end()
    assert "team" in reader.text(".answer-text")

    page.focus(".turn:last-child .contact-way")
    page.keyboard.press("Enter")
    page.wait_for_selector(".contact-form textarea:focus")
    assert page.input_value(".contact-form textarea") == "I want my data deleted"
    assert page.input_value(".contact-form select") == "privacy"
    assert "30 days" in page.inner_text(".contact-form") and "90 days" in page.inner_text(".contact-told")
    assert page.locator(".contact-form input[type=email]").is_hidden()
    assert findings(reader) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320

    page.check(".contact-form input[type=checkbox]")
    page.fill(".contact-form input[type=email]", "nobody")
    page.click(".contact-send")
    page.wait_for_selector(".contact-form .note-problem")
    assert page.locator(".contact-form input[type=email]").get_attribute("aria-invalid") == "true"
    reader.complaints = [each for each in reader.complaints if "400" not in each]

    page.fill(".contact-form input[type=email]", SENDER)
    page.keyboard.press("Enter")
    number = page.locator(".contact-done output").inner_text()
    assert number.startswith("M-") and findings(reader) == []

    page.goto(f"{site.url}/live/en/messages/")
    page.fill("#number", number)
    page.keyboard.press("Enter")
    page.wait_for_selector(".contact-told")
    assert number not in page.url and findings(reader) == []
    page.click("text=Delete it now")
    page.wait_for_selector("text=The message is deleted")
