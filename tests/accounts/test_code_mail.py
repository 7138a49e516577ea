"""Codes over SMTP, within the request: two tries, then the page says so."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from django.test import Client

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
    assert ask(client, "alice@example.org").status_code == 302, "what was not sent does not count"


def test_an_address_that_the_server_will_not_take_is_not_tried_again(
    client: Client, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.answers = ["550 no such mailbox"]

    response = ask(client, "alice@example.org")

    assert response.status_code == 422 and "does not take this address" in response.content.decode()
    assert mailbox.asked == 1 and not SignInCode.objects.exists()
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("mail.log")]
    assert ours and "alice" not in " ".join(ours)


def test_a_server_that_says_nothing_is_waited_for_twice_and_no_longer(client: Client, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.MAIL_TIMEOUT_S = 0.3
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.EMAIL_HOST, settings.EMAIL_PORT = silent.getsockname()

        response = ask(client, "alice@example.org")

    assert response.status_code == 503 and response["Retry-After"]
    assert not SignInCode.objects.exists() and not User.objects.exists()
