"""What has expired is invisible at once and deleted soon, all of it, counted, and nothing else is."""

import datetime
import threading
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import ProtectedError, Sum
from django.db.models.functions import Now

from accounts import export
from accounts.models import DataExport, QueuedMail, User
from accounts.signals import account_closing
from chat import consent, conversations, retention, storing
from chat.models import Conversation, DeletedBatch, Message, expiry
from chat.retention import Deleted
from chat.tasks import sweep_expired
from compliance import alarms, evidence
from compliance.models import AuditEntry, EvidenceRecord
from tests.chat.stored import DAY, age, consenting, stored, version
from tests.live import wait_for

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def alice(db: None) -> User:
    return consenting("alice@example.org")


def counted() -> Deleted:
    sums = DeletedBatch.objects.aggregate(messages=Sum("messages"), conversations=Sum("conversations"))
    return Deleted(sums["messages"] or 0, sums["conversations"] or 0)


def test_what_has_expired_is_deleted_and_the_rest_stays(alice: User) -> None:
    old, new = stored(alice), stored(alice)
    age(old.conversation, 7 * DAY)

    assert retention.delete_expired() == Deleted(2, 1)

    assert list(Conversation.everything.values_list("public_id", flat=True)) == [new.conversation]
    assert Message.everything.count() == 2
    assert retention.delete_expired() == Deleted()


def test_an_old_exchange_goes_from_a_conversation_that_goes_on(alice: User) -> None:
    begun = stored(alice, "First?")
    age(begun.conversation, 8 * DAY)
    Conversation.everything.update(expires_at=storing.expiry())
    stored(alice, "Second?", conversation=begun.conversation)

    assert retention.delete_expired() == Deleted(2, 0)
    assert [turn.question for turn in conversations.turns(Conversation.objects.get())] == ["Second?"]


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_batches_of_any_size_delete_the_same(alice: User, rows: int) -> None:
    for _each in range(3):
        age(stored(alice).conversation, 9 * DAY)

    assert retention.delete_expired(batch=rows) == Deleted(6, 3) == counted()


def test_a_name_expires_like_a_message(alice: User) -> None:
    kept = stored(alice, "The question?")
    conversations.rename(Conversation.objects.get(), "My secret plan")
    Conversation.everything.update(title_expires_at=Now())

    assert [each.name for each in conversations.listed(alice)] == ["The question?"]
    retention.delete_expired()
    assert Conversation.everything.get(public_id=kept.conversation).title == ""


def test_deleting_one_conversation_leaves_the_others_and_says_so_in_the_log(alice: User) -> None:
    mine, other = stored(alice), stored(alice)

    done = retention.delete_conversation(alice, Conversation.objects.get(public_id=mine.conversation))

    assert done == Deleted(2, 1) == counted()
    assert Conversation.everything.get().public_id == other.conversation
    entry = AuditEntry.objects.get(action="conversation.deleted")
    assert (entry.object_id, entry.changes) == (str(mine.conversation), {"facts": {"messages": 2}})


def test_nobody_deletes_somebody_elses_conversation(alice: User) -> None:
    stored(alice)
    bob = User.objects.create_user("bob@example.org")

    assert retention.delete_conversation(bob, Conversation.objects.get()) == Deleted()
    assert Conversation.objects.exists() and not AuditEntry.objects.filter(action="conversation.deleted").exists()


def test_deleting_all_takes_what_has_expired_too_and_only_theirs(alice: User) -> None:
    carol = consenting("carol@example.org")
    stored(carol), stored(alice)
    age(stored(alice).conversation, 8 * DAY)

    assert retention.delete_all_of(alice) == Deleted(4, 2)

    assert not Conversation.everything.of(alice).exists()
    assert Conversation.objects.of(carol).exists()
    assert AuditEntry.objects.get(action="conversation.all-deleted").changes["facts"]["conversations"] == 2


def test_an_account_that_closes_takes_its_conversations_with_it(alice: User) -> None:
    stored(alice)
    with pytest.raises(ProtectedError):
        alice.delete()

    answers = account_closing.send(sender=User, user=alice)

    assert {"conversations": 1, "messages": 2} in [counts for _receiver, counts in answers]
    alice.delete()
    assert not Message.everything.exists() and counted() == Deleted(2, 1)


def test_the_oldest_is_measured_by_the_databases_clock(alice: User) -> None:
    assert retention.oldest() is None

    age(stored(alice).conversation, 3 * DAY)
    stored(alice)

    oldest = retention.oldest()
    assert oldest is not None and 3 * DAY <= oldest < 3 * DAY + HOUR


@pytest.mark.parametrize(("by", "late"), [(7 * DAY, False), (7 * DAY + HOUR / 2, False), (7 * DAY + 2 * HOUR, True)])
def test_an_alarm_says_that_something_is_there_too_long(alice: User, by: datetime.timedelta, late: bool) -> None:
    age(stored(alice).conversation, by)

    assert retention.overdue() is late
    assert ("chat.retention" in [each.id for each in alarms.active()]) is late


def test_an_alarm_says_that_a_withdrawal_is_not_done(alice: User) -> None:
    stored(alice)
    Message.everything.update(expires_at=Now() - 2 * HOUR)

    assert retention.overdue()


def test_the_evidence_sums_up_what_was_deleted_since_the_last(alice: User) -> None:
    stored(alice)
    for _each in range(3):
        age(stored(alice).conversation, 7 * DAY)
    retention.delete_expired(batch=2)

    record = retention.record_evidence()

    assert record is not None and record.kind == "retention"
    assert (record.body["deleted_messages"], record.body["deleted_conversations"]) == (6, 3)
    assert 0 <= record.body["oldest_remaining_s"] < 60
    assert counted() == Deleted()


def test_the_evidence_is_written_every_fifteen_minutes_at_most_and_once_a_day_at_least(alice: User) -> None:
    def recorded(ago: datetime.timedelta) -> bool:
        with connection.cursor() as cursor:  # the table refuses changes; a test may go back in time
            cursor.execute("ALTER TABLE compliance_evidencerecord DISABLE TRIGGER USER")
            EvidenceRecord.objects.update(at=Now() - ago)
            cursor.execute("ALTER TABLE compliance_evidencerecord ENABLE TRIGGER USER")
        return retention.record_evidence() is not None

    assert retention.record_evidence() is not None, "the first says that nothing is stored"
    assert not recorded(23 * HOUR), "nothing was deleted"
    age(stored(alice).conversation, 7 * DAY)
    retention.delete_expired()
    assert not recorded(datetime.timedelta(minutes=14))
    assert recorded(datetime.timedelta(minutes=16))
    assert not recorded(datetime.timedelta(minutes=16)), "nothing was deleted since"
    assert recorded(25 * HOUR)
    latest = evidence.latest("retention")
    assert latest is not None
    assert latest.body == {
        "deleted_messages": 0,
        "deleted_conversations": 0,
        "deleted_flag_texts": 0,
        "deleted_team_messages": 0,
        "oldest_remaining_s": None,
    }


def test_the_task_deletes_and_records(alice: User) -> None:
    age(stored(alice).conversation, 7 * DAY)

    sweep_expired()

    assert not Message.everything.exists()
    latest = evidence.latest("retention")
    assert latest is not None and latest.body["deleted_messages"] == 2


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_holds_is_left_for_the_next_sweep() -> None:
    alice = consenting("alice@example.org")
    for _each in range(3):
        age(stored(alice).conversation, 7 * DAY)
    held = Message.everything.first()
    assert held is not None
    holds, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Message.everything.select_for_update().get(pk=held.pk)
            holds.set()
            done.wait(10)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert holds.wait(10)
    try:
        first = retention.delete_expired()
    finally:
        done.set()
        holder.join()

    assert first == Deleted(5, 2)
    assert retention.delete_expired() == Deleted(1, 1)
    assert counted() == Deleted(6, 3)


@pytest.mark.django_db(transaction=True)
def test_storing_and_withdrawing_at_once_leave_nothing_visible() -> None:
    alice = consenting("alice@example.org")
    go = threading.Barrier(5)

    def write() -> None:
        go.wait()
        for _each in range(5):
            storing.store(
                subject=alice.public_id, ask=uuid.uuid4(), question="?", language="en", version=version("Words.")
            )
        connection.close()

    writers = [threading.Thread(target=write) for _each in range(4)]
    for writer in writers:
        writer.start()
    go.wait()
    consent.withdraw(alice, "account")
    for writer in writers:
        writer.join()

    assert not Message.objects.exists() and not Conversation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_deleting_all_while_an_answer_is_being_stored_leaves_whole_exchanges_only() -> None:
    alice = consenting("alice@example.org")
    ask, written = uuid.uuid4(), version("Words.")
    go = threading.Barrier(5)
    problems: list[BaseException] = []

    def write() -> None:
        go.wait()
        try:
            storing.store(subject=alice.public_id, ask=ask, question="?", language="en", version=written)
        except BaseException as error:
            problems.append(error)
        connection.close()

    writers = [threading.Thread(target=write) for _each in range(4)]
    for writer in writers:
        writer.start()
    go.wait()
    retention.delete_all_of(alice)
    for writer in writers:
        writer.join()

    assert problems == []
    assert (Conversation.everything.count(), Message.everything.count()) in ((0, 0), (1, 2))


def test_deleting_a_thousand_costs_queries_by_the_batch(alice: User, django_assert_max_num_queries: Any) -> None:
    kept = stored(alice)
    home = Conversation.objects.get()
    Message.everything.bulk_create(
        Message(conversation=home, ask=uuid.uuid4(), role="user", text="x", language="en", expires_at=kept.kept_until)
        for _each in range(998)
    )
    age(kept.conversation, 7 * DAY)

    with django_assert_max_num_queries(45):
        assert retention.delete_expired() == Deleted(1000, 1)


@pytest.fixture
def waiting_export(alice: User, tmp_path: Path, settings: Any) -> Path:
    """An export of alice's, with a conversation in it, that waits to be fetched."""
    settings.EXPORT_DIR = tmp_path
    stored(alice)
    made = export.request(alice)
    assert export.make(made.pk)
    return export.path_of(made.public_id)


def test_an_export_stays_while_what_is_in_it_does(alice: User, waiting_export: Path) -> None:
    retention.delete_expired()

    assert waiting_export.exists() and export.current(alice) is not None


def let_go(alice: User, end: str) -> None:
    """End what is stored of alice, in one of three ways."""
    match end:
        case "expired":
            age(Conversation.objects.get().public_id, 7 * DAY)
            retention.delete_expired()
        case "withdrawn":
            consent.withdraw(alice, "account")
        case "deleted":
            retention.delete_conversation(alice, Conversation.objects.get())


ENDS = ["expired", "withdrawn", "deleted"]


@pytest.mark.parametrize("end", ENDS)
def test_an_export_does_not_outlive_what_is_in_it(alice: User, waiting_export: Path, end: str) -> None:
    let_go(alice, end)

    assert not waiting_export.exists()
    assert export.current(alice) is None, "a new one can be asked for"


@pytest.fixture
def parts() -> Iterator[None]:
    """Whatever a test registers is gone after it."""
    before = dict(export._parts)
    yield
    export._parts.clear()
    export._parts.update(before)


@pytest.mark.parametrize("end", ENDS)
def test_an_export_that_is_being_made_begins_again_when_something_in_it_goes(
    alice: User, tmp_path: Path, settings: Any, parts: None, end: str
) -> None:
    settings.EXPORT_DIR = tmp_path
    stored(alice, "CANARY?")
    asked = export.request(alice)
    going = [end]
    # Read last: the conversations have been read by then, and the file is not there yet.
    export.part("slow", lambda user: let_go(alice, going.pop()) if going else None)

    assert not export.make(asked.pk)
    assert not list(tmp_path.iterdir()) and QueuedMail.objects.count() == 0

    assert export.make(asked.pk)
    with zipfile.ZipFile(export.path_of(asked.public_id)) as file:
        assert not any(b"CANARY" in file.read(name) for name in file.namelist())


def test_a_file_that_cannot_be_deleted_holds_up_nothing_else(
    alice: User, waiting_export: Path, caplog: pytest.LogCaptureFixture
) -> None:
    waiting_export.unlink()
    waiting_export.mkdir()  # nobody may unlink a folder, not even root
    age(Conversation.objects.get().public_id, 7 * DAY)

    assert retention.delete_expired() == Deleted(2, 1)
    export.expire()

    assert caplog.text.count("not deleted") >= 2 and alice.email not in caplog.text
    waiting_export.rmdir()
    waiting_export.touch()
    export.expire()
    assert not waiting_export.exists()


@pytest.mark.django_db(transaction=True)
def test_who_deletes_while_a_sweep_holds_messages_waits_with_no_export_in_hand() -> None:
    alice = User.objects.create_user("alice@example.org")
    kept = Conversation.everything.create(user=alice, language="en", expires_at=expiry())
    Message.everything.create(
        conversation=kept, ask=uuid.uuid4(), role=Message.Role.USER, text="Mine", language="en", expires_at=expiry()
    )
    waiting = DataExport.objects.create(user=alice)

    def delete() -> None:
        try:
            retention.delete_conversation(alice, kept)
        finally:
            connection.close()

    deletion = threading.Thread(target=delete)
    with transaction.atomic():
        list(Message.everything.select_for_update())  # as the sweep does first
        deletion.start()
        wait_for(lambda: waiters() == 1, 10)
        DataExport.objects.select_for_update(nowait=True).get(pk=waiting.pk)  # as the sweep does next
    deletion.join(10)

    assert not Conversation.everything.exists()


def waiters() -> int:
    """Return how many connections to this database wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])
