"""Codes over SMTP, within the request: two tries, then the page says so."""

import datetime
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from accounts import codes
from accounts.attempts import CODES_PER_ADDRESS, CODES_PER_BUCKET
from accounts.codes import Place
from accounts.errors import MailUnavailable, TooMany
from accounts.models import SignInCode, User
from siteproject.stack.probe import free_port
from tests.accounts.test_signin import ask

pytestmark = pytest.mark.django_db


@dataclass
class Mailbox:
    """A mail server's handler: what it is to answer, in order, and what it took."""

    answers: list[str] = field(default_factory=list)
    taken: list[EmailMessage] = field(default_factory=list)
    asked: int = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else "250 fine"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        message = message_from_bytes(envelope.content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.taken.append(message)
        return "250 taken"


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    found = Mailbox()
    controller = Controller(found, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    yield found
    controller.stop()


def test_a_code_arrives_as_text_and_html_in_the_readers_language(client: Client, mailbox: Mailbox) -> None:
    client.post("/accounts/enter/?language=fr", {"email": "alice@example.org"})

    (mail,) = mailbox.taken
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text and html and mail["To"] == "alice@example.org"
    assert mail["Auto-Submitted"] == "auto-generated" and mail["Content-Language"] == "fr"
    assert '<html lang="fr">' in html.get_content()
    assert "style" not in html.get_content() and "src=" not in html.get_content()


def test_a_mail_server_that_says_later_is_asked_once_more(client: Client, mailbox: Mailbox) -> None:
    mailbox.answers = ["451 later"]

    assert ask(client, "alice@example.org").status_code == 302
    assert (mailbox.asked, len(mailbox.taken)) == (2, 1)


def test_one_that_says_later_twice_is_away(client: Client, mailbox: Mailbox) -> None:
    mailbox.answers = ["451 later", "451 later"]

    response = ask(client, "alice@example.org")

    assert response.status_code == 503 and "Our mail server is away" in response.content.decode()
    assert ask(client, "alice@example.org").status_code == 429, "a mail server in trouble is not asked at once again"
    SignInCode.objects.update(issued_at=Now() - datetime.timedelta(seconds=31))
    assert ask(client, "alice@example.org").status_code == 302


def test_of_the_ten_codes_of_an_address_none_is_used_up_by_a_mail_that_did_not_go(
    client: Client, mailbox: Mailbox
) -> None:
    for _number in range(CODES_PER_BUCKET):
        mailbox.answers = ["451 later", "451 later"]
        assert ask(client, "alice@example.org").status_code == 503
        SignInCode.objects.update(issued_at=Now() - datetime.timedelta(hours=1))

    assert ask(client, "alice@example.org").status_code == 302


def test_mails_that_did_not_go_count_for_the_client_address(client: Client, mailbox: Mailbox) -> None:
    place = Place("", "address-a")
    mailbox.answers = ["451 later"] * 2 * CODES_PER_ADDRESS
    for number in range(CODES_PER_ADDRESS):
        with pytest.raises(MailUnavailable):
            codes.send(f"bob{number}@example.org", SignInCode.Purpose.ENTER, place, "en")

    with pytest.raises(TooMany):
        codes.send("carol@example.org", SignInCode.Purpose.ENTER, place, "en")


def test_an_address_that_the_server_will_not_take_is_not_tried_again(
    client: Client, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.answers = ["550 no such mailbox"]

    response = ask(client, "alice@example.org")

    assert response.status_code == 422 and "does not take this address" in response.content.decode()
    assert mailbox.asked == 1 and not SignInCode.objects.exclude(email="", sent_at=None).exists()
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("mail.log")]
    assert ours and "alice" not in " ".join(ours)


def test_a_server_that_says_nothing_is_waited_for_twice_and_no_longer(client: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.MAIL_TIMEOUT_S = 0.3
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()

        response = ask(client, "alice@example.org")

    assert response.status_code == 503 and response["Retry-After"]
    assert not SignInCode.objects.exclude(email="", sent_at=None).exists() and not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_no_connection_to_the_database_is_held_while_the_mail_server_is_talked_to(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.MAIL_TIMEOUT_S = 2
    most = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]

    def wait(number: int) -> str:
        try:
            codes.send(f"bob{number}@example.org", SignInCode.Purpose.ENTER, Place("", "address-a"), "en")
        except MailUnavailable:
            return "mail away"
        finally:
            connection.close()
        return "sent"

    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(most) as pool:
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()
        waiting = [pool.submit(wait, number) for number in range(most)]
        connection.close()
        silent.settimeout(10)
        talks = [silent.accept()[0] for _ in range(most)]  # all eight wait for its first word now
        ends = time.monotonic() + settings.MAIL_TIMEOUT_S  # they go on waiting longer than that: each tries twice
        pooled = connection.pool.get_stats()
        while pooled["pool_available"] < pooled["pool_size"] and time.monotonic() < ends:
            time.sleep(0.02)
            pooled = connection.pool.get_stats()

        assert pooled["pool_available"] == pooled["pool_size"], "all are free while eight wait"
        assert not User.objects.exists()
        assert {each.result() for each in waiting} == {"mail away"}
        for talk in talks:
            talk.close()
