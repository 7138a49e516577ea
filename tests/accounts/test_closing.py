"""Erasing a person: locked at once, gone with everything, counted, and the chain of records still whole."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts import closing, export, mailqueue, sessions, tasks
from accounts.models import AccountClosure, QueuedMail, SignInCode, User, UserSession
from accounts.signals import account_closing
from compliance import chain, consents
from compliance.models import AuditEntry, ConsentEvent, Purpose
from siteproject.stack.probe import free_port

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.EXPORT_DIR = tmp_path / "exports"
    return tmp_path / "exports"


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.org")


@pytest.fixture
def breaks_once() -> Iterator[list[str]]:
    """An app above that breaks the first erasure off in its middle."""
    seen: list[str] = []

    def receiver(sender: Any, user: User, **kwargs: Any) -> dict[str, int]:
        seen.append(user.email)
        QueuedMail.objects.filter(user=user).delete()
        if len(seen) == 1:
            raise KeyboardInterrupt
        return {"things": 3}

    account_closing.connect(receiver)
    yield seen
    account_closing.disconnect(receiver)


def again(closure: AccountClosure) -> None:
    """Let the lease run out."""
    AccountClosure.objects.filter(pk=closure.pk).update(due_at=timezone.now() - datetime.timedelta(seconds=1))


def rows_with(needle: str) -> list[str]:
    """Return the tables in which a row holds ``needle``, whatever the column."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" AS t WHERE t::text ILIKE %s', [f"%{needle}%"])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def test_a_closing_person_is_locked_out_everywhere_at_once(alice: User, client: Client) -> None:
    client.force_login(alice)
    key = client.session.session_key or ""
    assert sessions.alive(key)

    closing.close(alice)

    alice.refresh_from_db()
    assert not alice.is_active and not sessions.alive(key)
    assert not UserSession.objects.exists() and not Session.objects.filter(pk=key).exists()
    assert client.get("/account/").status_code == 302


def test_closing_twice_makes_one_closure(alice: User) -> None:
    first = closing.close(alice)

    assert closing.close(alice) == first
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["account.closing"]


def test_everything_goes_and_what_stays_names_nobody(alice: User, client: Client, folder: Path) -> None:
    client.force_login(alice)
    notice = consents.Notice("2026-11-21", "0" * 64, "Keep my chats for 7 days", "en")
    consents.record(alice.public_id, Purpose.KEEP_CHATS, ConsentEvent.Action.GIVEN, notice, channel="chat")
    export.make(export.request(alice).pk)
    dana = User.objects.create_user("dana@example.org", is_staff=True)
    LogEntry.objects.create(
        user=dana, content_type=ContentType.objects.get_for_model(User), object_id=str(alice.pk),
        object_repr=str(alice), action_flag=CHANGE,
    )  # fmt: skip
    SignInCode.objects.create(purpose=SignInCode.Purpose.ENTER, email="alice@example.org", expires_at=timezone.now())
    subject, closure = alice.public_id, closing.close(alice)

    assert closing.erase(closure.pk)

    assert rows_with("alice@example.org") == [] and not list(folder.iterdir())
    assert set(rows_with(str(subject))) == {
        "accounts_accountclosure",
        "compliance_auditentry",
        "compliance_consentevent",
    }
    closure.refresh_from_db()
    assert (closure.state, closure.user, closure.subject) == ("done", None, subject)
    assert closure.erased["accounts.user"] == closure.erased["export_files"] == closure.erased["admin_log"] == 1
    assert chain.first_break(AuditEntry) is None
    last = AuditEntry.objects.latest("number")
    assert (last.action, last.object_id) == ("account.erased", str(subject))


def test_the_last_mail_goes_out_before_the_deletion_and_says_what_stays(alice: User) -> None:
    closing.erase(closing.close(alice).pk)

    (message,) = mail.outbox
    assert message.to == ["alice@example.org"] and "consents, under a random id" in str(message.body)


def test_a_mail_server_that_is_away_does_not_hold_the_erasure_up(alice: User, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", free_port()

    assert closing.erase(closing.close(alice).pk)

    assert not User.objects.exists()


def test_an_erasure_broken_off_in_the_middle_changes_nothing_and_is_done_again(
    alice: User, breaks_once: list[str]
) -> None:
    mailqueue.queue(alice, "export-ready", "x")
    closure = closing.close(alice)
    with pytest.raises(KeyboardInterrupt):
        closing.erase(closure.pk)
    assert User.objects.exists() and QueuedMail.objects.exists()
    assert not closing.erase(closure.pk)

    again(closure)

    assert closing.erase(closure.pk)
    closure.refresh_from_db()
    assert closure.erased["things"] == 3 and closure.tries == 2
    assert len(mail.outbox) == 1


def test_erasing_twice_is_harmless(alice: User) -> None:
    closure = closing.close(alice)
    closing.erase(closure.pk)
    again(closure)

    assert not closing.erase(closure.pk)


def test_an_erasure_that_fails_three_times_shows_as_failed(alice: User) -> None:
    def receiver(sender: Any, user: User, **kwargs: Any) -> None:
        raise RuntimeError

    account_closing.connect(receiver)
    closure = closing.close(alice)
    for _try in range(3):
        again(closure)
        with pytest.raises(RuntimeError):
            closing.erase(closure.pk)
    again(closure)
    account_closing.disconnect(receiver)

    tasks.sweep()

    closure.refresh_from_db()
    assert closure.state == AccountClosure.State.FAILED and User.objects.exists()


def test_the_same_address_may_come_back_as_a_new_person(alice: User) -> None:
    closing.erase(closing.close(alice).pk)

    newcomer = User.objects.create_user("alice@example.org")

    assert newcomer.public_id != alice.public_id


def test_mail_that_waits_is_not_sent_to_somebody_who_left(alice: User) -> None:
    row = mailqueue.queue(alice, "export-ready", "x")
    assert row is not None

    closing.close(alice)

    assert not mailqueue.send(row.pk) and not mail.outbox
