"""An exchange is written with consent only, whole or not at all, once however often it is sent."""

import uuid
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.db.models import F

from accounts.models import User
from chat import consent, storing
from chat.askers import Asker, Person
from chat.asks import Ask
from chat.asks import Message as Asked
from chat.errors import StorageFull, UnknownConversation
from chat.keeping import Keeper
from chat.models import Conversation, Message
from chat.storing import Stored
from tests.chat.stored import DAY, age, consenting, stored, version

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return consenting("alice@example.org")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob@example.org")


def store(person: User, **fields: Any) -> Stored | None:
    given: dict[str, Any] = {"ask": uuid.uuid4(), "question": "Which licence?", "language": "en", "version": version()}
    return storing.store(subject=person.public_id, **{**given, **fields})


def test_question_and_answer_are_written_with_their_end(alice: User) -> None:
    done = store(alice, version=version("Apache.", seal="s"))

    assert done is not None
    question, answer = Message.objects.order_by("id")
    assert (question.role, question.text) == ("user", "Which licence?")
    assert (answer.role, answer.text, answer.seal, answer.rung) == ("assistant", "Apache.", "s", "small")
    assert question.conversation.public_id == done.conversation and question.conversation.user == alice
    assert done.kept_until == question.expires_at == answer.expires_at == question.conversation.expires_at
    kept = Message.objects.values_list(F("expires_at") - F("created_at"), flat=True)
    assert all(6.99 * DAY < each <= 7 * DAY for each in kept)


def test_nothing_is_written_without_consent(bob: User) -> None:
    assert store(bob) is None
    assert not Conversation.everything.exists() and not Message.everything.exists()


def test_nothing_is_written_after_a_withdrawal(alice: User) -> None:
    kept = stored(alice)
    consent.withdraw(alice, "chat")

    assert store(alice) is None
    assert store(alice, conversation=kept.conversation) is None
    assert Message.everything.count() == 2


def test_nothing_is_written_for_a_closed_account_or_nobody(alice: User) -> None:
    User.objects.update(is_active=False)

    assert store(alice) is None
    assert storing.store(subject=uuid.uuid4(), ask=uuid.uuid4(), question="?", language="en", version=version()) is None
    assert not Message.everything.exists()


def test_storing_twice_changes_nothing(alice: User) -> None:
    ask, written = uuid.uuid4(), version()

    first = store(alice, ask=ask, version=written)
    again = store(alice, ask=ask, version=written)

    assert first == again
    assert Message.everything.count() == 2 and Conversation.everything.count() == 1


def test_a_later_version_stands_beside_the_first_and_ends_with_its_question(alice: User) -> None:
    ask, first = uuid.uuid4(), version("Small.")
    done = store(alice, ask=ask, version=first)

    again = store(alice, ask=ask, version=version("Large.", rung="large", upgrades=first.answer))

    assert again == done
    question, small, large = Message.objects.order_by("id")
    assert (large.upgrades, large.rung, large.conversation) == (small.public_id, "large", small.conversation)
    assert question.expires_at == small.expires_at == large.expires_at


def test_there_is_an_end_to_what_one_person_may_store(alice: User, settings: Any) -> None:
    settings.STORED_MESSAGES_MAX = 4
    stored(consenting("carol@example.org"))
    ask, written = uuid.uuid4(), version()
    stored(alice)
    last = store(alice, ask=ask, version=written)

    for refused in ({}, {"conversation": last and last.conversation}, {"ask": ask, "version": version()}):
        with pytest.raises(StorageFull):
            store(alice, **refused)

    assert Message.objects.filter(conversation__user=alice).count() == 4
    assert Conversation.objects.of(alice).count() == 2
    assert store(alice, ask=ask, version=written) == last, "what is stored already may come twice"


@pytest.mark.django_db(transaction=True)
def test_a_reader_is_told_that_an_answer_is_not_kept_for_want_of_room(settings: Any) -> None:
    settings.STORED_MESSAGES_MAX = 1
    alice = consenting("alice@example.org")
    keeper = Keeper(
        Ask(str(uuid.uuid4()), [Asked("user", "Which licence?")]), Asker(person=Person(alice.public_id, still_there))
    )
    event: dict[str, Any] = {
        "type": "done", "answer": str(uuid.uuid4()), "rung": "small", "finish_reason": "stop", "seal": "s",
        "receipt": {"language": "en"},
    }  # fmt: skip

    async_to_sync(keeper.note)(event)

    assert (event["kept_until"], event["kept_problem"]) == (None, True) and "conversation" not in event
    assert not Message.everything.exists()


async def still_there() -> bool:
    return True


def test_a_later_version_does_not_bring_back_what_was_deleted(alice: User) -> None:
    ask, first = uuid.uuid4(), version()
    store(alice, ask=ask, version=first)
    Message.everything.all().delete()

    assert store(alice, ask=ask, version=version(upgrades=first.answer)) is None
    assert not Message.everything.exists()


def test_a_later_version_is_not_written_after_a_withdrawal_and_a_new_yes(alice: User) -> None:
    ask, first = uuid.uuid4(), version()
    store(alice, ask=ask, version=first)
    consent.withdraw(alice, "chat")
    consent.give(alice, "en", "chat")

    assert store(alice, ask=ask, version=version(upgrades=first.answer)) is None
    assert not Message.objects.exists()


def test_a_conversation_goes_on_and_lasts_as_long_as_its_newest_message(alice: User) -> None:
    first = stored(alice)
    age(first.conversation, 3 * DAY)

    second = stored(alice, "And the weights?", conversation=first.conversation)

    assert second.conversation == first.conversation
    conversation = Conversation.objects.get()
    expiries = set(Message.objects.values_list("expires_at", flat=True))
    assert len(expiries) == 2 and conversation.expires_at == max(expiries) == second.kept_until


def test_somebody_elses_conversation_is_unknown(alice: User) -> None:
    carol = consenting("carol@example.org")
    hers = stored(carol)

    with pytest.raises(UnknownConversation):
        store(alice, conversation=hers.conversation)
    with pytest.raises(UnknownConversation):
        storing.history(alice.public_id, hers.conversation)
    assert not Conversation.everything.of(alice).exists()


def test_an_expired_conversation_is_unknown_while_its_rows_are_still_there(alice: User) -> None:
    old = stored(alice)
    age(old.conversation, 7 * DAY)

    with pytest.raises(UnknownConversation):
        store(alice, conversation=old.conversation)
    with pytest.raises(UnknownConversation):
        storing.history(alice.public_id, old.conversation)
    assert Message.everything.count() == 2


def test_somebody_elses_ask_is_not_answered_for(alice: User) -> None:
    carol, ask, written = consenting("carol@example.org"), uuid.uuid4(), version("Hers.")
    store(carol, ask=ask, version=written)

    assert store(alice, ask=ask) is None
    assert store(alice, version=written) is not None
    assert list(Message.everything.filter(conversation__user=carol).values_list("text", flat=True)) == [
        "Which licence?",
        "Hers.",
    ]
    assert not Message.everything.filter(conversation__user=alice, text="Hers.").exists()


def test_the_history_is_the_newest_version_of_what_has_not_expired(alice: User) -> None:
    first = stored(alice, "One?")
    age(first.conversation, 8 * DAY)
    Conversation.everything.update(expires_at=storing.expiry())
    ask, small = uuid.uuid4(), version("Small.")
    store(alice, ask=ask, question="Two?", version=small, conversation=first.conversation)
    store(alice, ask=ask, question="Two?", version=version("Large.", upgrades=small.answer))
    stored(alice, "Three?", conversation=first.conversation)

    assert storing.history(alice.public_id, first.conversation) == [("Two?", "Large."), ("Three?", "Under Apache 2.0.")]


def test_what_a_database_cannot_hold_is_replaced(alice: User) -> None:
    store(alice, version=version("a\x00b\ud800c"))

    assert Message.objects.get(role="assistant").text == "a\ufffdb?c"


def test_storing_costs_a_handful_of_queries(alice: User, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(12):
        store(alice)


def test_the_database_holds_the_rule_of_one_question_per_ask() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'one_question_per_ask'")
        assert "UNIQUE" in cursor.fetchone()[0]
