"""Queued mail: rendered when it is sent, in the reader's language, and sent once the mail server is there."""

import datetime
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from django.core import mail
from django.db import connection
from django.utils import timezone

from accounts import export, mailqueue, tasks
from accounts.errors import UnknownTemplate
from accounts.models import MAX_TRIES, QueuedMail, User
from siteproject.stack.probe import free_port

pytestmark = pytest.mark.django_db


class Box(Message):
    """What arrived at a mail server on loopback. ``answer`` is said instead of taking the mail."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []
        self.answer = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.answer:
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Any) -> None:
        self.got.append(message)


@pytest.fixture
def box(settings: Any) -> Box:
    """A mail server that is not running yet."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    return Box()


@pytest.fixture
def server(box: Box, settings: Any) -> Iterator[Box]:
    """A mail server that runs."""
    controller = Controller(box, hostname="127.0.0.1", port=settings.EMAIL_PORT)
    controller.start()
    yield box
    controller.stop()


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.org", language="fr")


@pytest.fixture
def ready(alice: User) -> str:
    """The id of an export that waits, which the mail *export-ready* is about."""
    made = export.request(alice)
    export.make(made.pk)
    QueuedMail.objects.all().delete()
    return str(made.public_id)


def due_now() -> None:
    QueuedMail.objects.update(due_at=timezone.now() - datetime.timedelta(seconds=1))


def queued(user: User, object_id: str) -> QueuedMail:
    row = mailqueue.queue(user, "export-ready", object_id)
    assert row is not None
    return row


def test_a_mail_goes_over_smtp_as_text_and_html_in_the_readers_language(server: Box, alice: User, ready: str) -> None:
    row = queued(alice, ready)

    assert mailqueue.send(row.pk)

    (message,) = server.got
    assert message["To"] == "alice@example.org"
    parts = {part.get_content_type(): part.get_payload(decode=True).decode() for part in message.get_payload()}
    assert set(parts) == {"text/plain", "text/html"} and all("/account/export/" in text for text in parts.values())
    assert '<html lang="fr">' in parts["text/html"]
    row.refresh_from_db()
    assert row.state == QueuedMail.State.SENT


def test_the_language_is_the_one_the_reader_has_when_the_mail_is_sent(server: Box, alice: User, ready: str) -> None:
    row = queued(alice, ready)
    User.objects.update(language="en")

    mailqueue.send(row.pk)

    assert server.got[0]["Subject"].endswith("is ready")


def test_a_mail_waits_while_the_server_is_away_and_is_sent_once_when_it_is_back(
    box: Box, settings: Any, alice: User, ready: str
) -> None:
    row = queued(alice, ready)

    assert not mailqueue.send(row.pk)

    row.refresh_from_db()
    assert (row.state, row.problem, row.crashes) == ("pending", "unavailable", 0)
    assert row.due_at > timezone.now() + datetime.timedelta(seconds=20)

    controller = Controller(box, hostname="127.0.0.1", port=settings.EMAIL_PORT)
    controller.start()
    due_now()
    sent = [mailqueue.send(row.pk) for _try in range(3)]
    controller.stop()

    assert sent == [True, False, False] and len(box.got) == 1


def test_one_silence_of_the_server_puts_off_everything_that_is_due(box: Box, alice: User, ready: str) -> None:
    first, second = queued(alice, ready), queued(alice, ready)

    mailqueue.send(first.pk)

    assert not QueuedMail.objects.due().exists()
    second.refresh_from_db()
    assert second.tries == 0


def test_pauses_grow_up_to_an_hour_and_end_after_a_day(box: Box, alice: User, ready: str) -> None:
    row = queued(alice, ready)
    pauses = []
    for _try in range(10):
        due_now()
        mailqueue.send(row.pk)
        row.refresh_from_db()
        pauses.append(round((row.due_at - timezone.now()).total_seconds(), -1))

    assert pauses[:4] == [30, 60, 120, 240] and max(pauses) == pauses[-1] == 3600

    QueuedMail.objects.update(created_at=timezone.now() - datetime.timedelta(days=1))
    due_now()
    mailqueue.send(row.pk)
    row.refresh_from_db()
    assert row.state == QueuedMail.State.FAILED


def test_an_address_the_server_refuses_for_good_is_not_tried_again(server: Box, alice: User, ready: str) -> None:
    server.answer = "550 no such person"
    row = queued(alice, ready)

    mailqueue.send(row.pk)

    row.refresh_from_db()
    assert (row.state, row.problem) == ("failed", "refused")


def test_a_mail_that_breaks_its_worker_is_given_up_after_three_tries(alice: User) -> None:
    def broken(user: User, object_id: str) -> dict[str, Any]:
        raise RuntimeError

    mailqueue.template("broken", broken)
    row = mailqueue.queue(alice, "broken")
    assert row is not None
    for _try in range(MAX_TRIES):
        due_now()
        with pytest.raises(RuntimeError):
            mailqueue.send(row.pk)
    due_now()

    assert not mailqueue.send(row.pk)
    assert QueuedMail.objects.give_up() == 1


def test_a_mail_that_has_become_pointless_is_dropped(alice: User, ready: str) -> None:
    row = queued(alice, ready)
    export.fetch(alice.exports.get())

    assert not mailqueue.send(row.pk)

    row.refresh_from_db()
    assert row.state == QueuedMail.State.VOID and not mail.outbox


def test_a_row_holds_no_text_and_no_address(alice: User, ready: str) -> None:
    row = queued(alice, ready)

    values = [str(getattr(row, field.attname)) for field in row._meta.concrete_fields]
    assert not [value for value in values if "@" in value or len(value) > 40]


def test_the_same_mail_is_queued_once_within_a_window(alice: User, ready: str) -> None:
    day = datetime.timedelta(days=1)

    rows = [mailqueue.queue(alice, "export-ready", ready, once_within=day) for _try in range(3)]

    assert rows[0] and rows[1:] == [None, None]


def test_a_mail_that_nobody_knows_is_refused_when_it_is_queued(alice: User) -> None:
    with pytest.raises(UnknownTemplate):
        mailqueue.queue(alice, "no-such-mail")


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_at_once_one_sends(server: Box) -> None:
    alice = User.objects.create_user("alice@example.org")
    made = export.request(alice)
    export.make(made.pk)
    row = QueuedMail.objects.get()

    def work(_number: int) -> bool:
        try:
            return mailqueue.send(row.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 1
    assert len(server.got) == 1


def test_the_age_of_the_oldest_waiting_mail_is_known(alice: User, ready: str) -> None:
    assert mailqueue.oldest_waiting_s() is None
    queued(alice, ready)
    QueuedMail.objects.update(created_at=timezone.now() - datetime.timedelta(minutes=5))

    assert mailqueue.oldest_waiting_s() in range(300, 310)


def test_the_sweeper_is_harmless_with_nothing_to_do_and_with_much(alice: User, ready: str) -> None:
    tasks.sweep()
    queued(alice, ready)
    tasks.sweep()

    assert QueuedMail.objects.filter(state="pending").count() == 1


def test_files_of_mail_are_deleted_after_seven_days(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_FILE_PATH = str(tmp_path)
    for name, days in (("old.log", 7.1), ("young.log", 6.9)):
        (tmp_path / name).write_text("mail")
        moment = time.time() - days * 86_400
        os.utime(tmp_path / name, (moment, moment))

    assert mailqueue.empty_folder() == 1
    assert [path.name for path in tmp_path.iterdir()] == ["young.log"]


def test_old_mail_rows_are_forgotten(alice: User, ready: str) -> None:
    row = queued(alice, ready)
    mailqueue.send(row.pk)
    QueuedMail.objects.update(created_at=timezone.now() - datetime.timedelta(days=31))

    assert mailqueue.prune() == 1
