"""What people handed over goes whole, and its end waits for nobody who waits for it."""

import threading
import time
import uuid

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from accounts import closing
from accounts.models import AccountClosure, DataExport, User
from accounts.signals import account_closing
from chat import retention
from chat.contact import messages
from chat.contact.drafts import draft
from chat.models import Conversation, Flag, TeamMessage, TrainingExample, WithdrawnExample
from chat.moderation import training, training_consent
from compliance.models import AuditEntry
from content.passages import passages
from tests.chat.open_flags import DAY, flag


def consenting_flag(user: User) -> Flag:
    """A flag of a person whose consent to training holds, with its example."""
    training_consent.give_in_account(user, "en", "test")
    row = flag(user=user, training_subject=user.public_id)
    training.take(row, answer="The mill writes to nobody.", passage=passages("en")[0].id, by=user)
    return row


def message_of(user: User) -> TeamMessage:
    words = draft(id=str(uuid.uuid4()), kind="support", language="en", text="My tap drips.")
    return messages.send(words, user=user, now=user.date_joined).message


@pytest.mark.django_db
def test_who_deletes_a_flag_takes_its_question_out_of_the_training_set(alice: User) -> None:
    mine, other = consenting_flag(alice), consenting_flag(alice)

    retention.delete_flag(mine)

    assert TrainingExample.objects.get().flag == other.public_id
    assert WithdrawnExample.objects.get().reason == training.DELETED
    assert AuditEntry.objects.get(action="flag.texts-deleted").changes["facts"] == {"examples": 1}


@pytest.mark.django_db
def test_an_account_that_closes_says_so_in_the_log_once_and_last(alice: User) -> None:
    consenting_flag(alice)
    message_of(alice), message_of(alice)
    before = AuditEntry.objects.count()
    made = AccountClosure.objects.create(user=alice, subject=alice.public_id)

    assert closing.erase(made.pk)

    (entry,) = AuditEntry.objects.order_by("id")[before:]  # the log's lock is held from its first entry to the commit
    assert entry.action == "account.erased"
    assert entry.changes["facts"]["team_messages"] == 2 and entry.changes["facts"]["training_examples"] == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("held", ["flag", "message", "example"])
def test_an_account_that_closes_waits_for_a_sweep_before_it_touches_the_files_of_the_export(held: str) -> None:
    alice = User.objects.create_user("alice@example.org")
    Conversation.objects.create(user=alice, language="en", expires_at=Now() + DAY)
    DataExport.objects.create(user=alice, state="ready", expires_at=Now() + DAY)
    rows = {"flag": flag(user=alice), "message": message_of(alice)}

    def close() -> None:
        with transaction.atomic():
            account_closing.send(User, user=alice)
        connection.close()

    with transaction.atomic():
        if held == "example":
            training.lock(alice.public_id)
        else:
            list(type(rows[held]).objects.select_for_update().filter(pk=rows[held].pk))
        closer = threading.Thread(target=close)
        closer.start()
        until_somebody_waits(closer)
        free = DataExport.objects.select_for_update(skip_locked=True).filter(user=alice).exists()
    closer.join()

    assert free, "a sweep that holds this row comes to the files next, and each would wait for the other"
    assert not Conversation.everything.exists()


def until_somebody_waits(thread: threading.Thread) -> None:
    """Return when a statement waits for a lock, or ``thread`` has come to its end."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    end = time.monotonic() + 10
    while thread.is_alive() and time.monotonic() < end:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
