"""A sender's question is in the training set only masked, only while their consent holds, and once."""

import datetime
import uuid
from typing import Any

import pytest
from django.db.models.functions import Now

from accounts.models import User
from accounts.signals import account_closing
from chat.models import Flag, TrainingExample, WithdrawnExample
from chat.moderation import training
from chat.moderation.training import ExampleRefused
from compliance import consents
from compliance.consents import Notice
from compliance.models import AuditEntry, ConsentEvent, Purpose
from content.passages import passages

ADDRESS = "zoe@example.org"
GIVEN, WITHDRAWN = ConsentEvent.Action.GIVEN, ConsentEvent.Action.WITHDRAWN


def consent(subject: uuid.UUID, action: ConsentEvent.Action = GIVEN) -> ConsentEvent:
    notice = Notice("1", "0" * 64, "Train with it.", "en")
    return consents.record(subject, Purpose.TRAIN_ON_FLAGS, action, notice, channel="test")


def a_flag(subject: uuid.UUID | None, **fields: Any) -> Flag:
    flag = Flag(
        number_sha256=uuid.uuid4().hex * 2,
        answer=uuid.uuid4(),
        answer_until=Now() + datetime.timedelta(days=7),
        language="en",
        reason=Flag.Reason.WRONG,
        question=f"Do you write to {ADDRESS} when the mill is full?",
        text="Yes.",
        rung="small",
        notice_version="1",
        notice_sha256="0" * 64,
        training_subject=subject,
        state=Flag.State.UPHELD,
        finding=Flag.Finding.FALSE,
        decided_at=Now(),
        expires_at=Now() + datetime.timedelta(days=7),
    )
    for name, value in fields.items():
        setattr(flag, name, value)
    flag.save()
    flag.refresh_from_db()
    return flag


def take(flag: Flag, by: User, answer: str = "The mill writes to nobody.") -> TrainingExample:
    return training.take(flag, answer=answer, passage=passages("en")[0].id, by=by)


def test_an_example_is_masked_and_says_where_it_comes_from_without_a_word(dana: User) -> None:
    subject = uuid.uuid4()
    event = consent(subject)
    flag = a_flag(subject)

    example = take(flag, dana)

    assert example.question == "Do you write to [EMAIL] when the mill is full?"
    assert (example.subject, example.consent_id, example.author) == (subject, event.pk, dana)
    assert example.provenance["flag"] == str(flag.public_id)
    assert example.provenance["consent_event"] == event.pk
    assert example.provenance["finding"] == "false"
    assert str(flag.answer) not in str(example.provenance)
    entry = AuditEntry.objects.get(action="training-example.added")
    assert entry.object_id == str(example.public_id) and "mill" not in str(entry.changes)


def test_without_a_consent_that_holds_nothing_is_taken(dana: User) -> None:
    never, withdrawn = uuid.uuid4(), uuid.uuid4()
    consent(withdrawn)
    consent(withdrawn, WITHDRAWN)

    for flag in (a_flag(None), a_flag(never), a_flag(withdrawn)):
        with pytest.raises(ExampleRefused):
            take(flag, dana)
    assert not TrainingExample.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"expires_at": Now() - datetime.timedelta(seconds=1)},
        {"question": "", "text": "", "emptied_at": Now()},
    ],
)
def test_texts_that_are_gone_or_expired_are_not_taken(dana: User, fields: dict[str, Any]) -> None:
    subject = uuid.uuid4()
    consent(subject)

    with pytest.raises(ExampleRefused):
        take(a_flag(subject, **fields), dana)


def test_a_flag_is_taken_once_and_an_answer_holds_nobodys_data(dana: User) -> None:
    subject = uuid.uuid4()
    consent(subject)
    flag = a_flag(subject)

    with pytest.raises(ExampleRefused):
        take(flag, dana, answer=f"Write to {ADDRESS}.")
    take(flag, dana)
    with pytest.raises(ExampleRefused):
        take(flag, dana)
    assert TrainingExample.objects.count() == 1


def test_examples_leave_with_the_consent_and_only_their_ids_stay(dana: User) -> None:
    mine, other = uuid.uuid4(), uuid.uuid4()
    for subject in (mine, other):
        consent(subject)
    gone = [take(a_flag(mine), dana).public_id for _ in range(2)]
    left = take(a_flag(other), dana)

    assert training.forget(mine, reason=training.WITHDRAWN) == 2
    assert training.forget(mine, reason=training.WITHDRAWN) == 0

    assert list(TrainingExample.objects.all()) == [left]
    assert set(WithdrawnExample.objects.values_list("example", flat=True)) == set(gone)
    entry = AuditEntry.objects.get(action="training-examples.deleted")
    assert (entry.actor, entry.changes["facts"]) == (f"user:{mine}", {"count": 2, "reason": "withdrawn"})


def test_staff_take_one_out_again(dana: User) -> None:
    subject = uuid.uuid4()
    consent(subject)
    example = take(a_flag(subject), dana)

    assert training.withdraw(example, by=dana) == 1
    assert training.withdraw(example, by=dana) == 0
    assert WithdrawnExample.objects.get().reason == training.STAFF


def test_examples_are_in_the_export_of_their_sender_and_end_with_the_account(alice: User, dana: User) -> None:
    consent(alice.public_id)
    take(a_flag(alice.public_id, user=alice), dana)
    exported = training.exported(alice)
    made = alice.exports.create(state="ready", expires_at=Now() + datetime.timedelta(days=1))

    told = [counts for _receiver, counts in account_closing.send(User, user=alice)]

    assert [row["question"] for row in exported] == ["Do you write to [EMAIL] when the mill is full?"]
    assert {"training_examples": 1} in told
    made.refresh_from_db()
    assert made.state == "expired"
    assert not TrainingExample.objects.exists()
