"""Keeping chats is asked in its own words, recorded with the notice it was given to, and ends as easily as it began."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from chat import consent
from chat.models import Conversation, Message
from compliance.models import AuditEntry, ConsentEvent
from tests.chat.stored import consenting, stored

pytestmark = pytest.mark.django_db
GIVE, WITHDRAW = "/account/consent/keep-chats/give/", "/account/consent/keep-chats/withdraw/"
JSON = {"Accept": "application/json"}


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.org")


@pytest.fixture
def client(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def test_nobody_keeps_chats_who_was_not_asked(alice: User) -> None:
    assert not consent.keeps_chats(alice)


def test_a_yes_is_recorded_with_the_notice_and_the_words_that_were_shown(alice: User) -> None:
    page = Path(settings.CONTENT_DIR, "pages", "privacy", "fr.md").read_bytes()

    event = consent.give(alice, "fr", "chat")

    assert consent.keeps_chats(alice)
    assert event.notice_sha256 == hashlib.sha256(page).hexdigest()
    assert f'version: "{event.notice_version}"'.encode() in page
    assert (event.language, event.channel, event.subject) == ("fr", "chat", alice.public_id)
    assert event.wording == consent.wording("fr") and "7" in event.wording
    assert AuditEntry.objects.filter(action="consent.given", object_id=str(event.pk)).exists()


def test_a_second_yes_to_the_same_words_is_the_first_one(alice: User) -> None:
    first = consent.give(alice, "en", "chat")

    assert consent.give(alice, "en", "account") == first
    assert ConsentEvent.objects.count() == 1


def test_a_yes_to_other_words_is_another_event(alice: User, settings: Any) -> None:
    consent.give(alice, "en", "chat")
    settings.RETENTION_DAYS = 3

    again = consent.give(alice, "en", "chat")

    assert ConsentEvent.objects.count() == 2 and "3 days" in again.wording


def test_a_withdrawal_makes_everything_that_is_stored_expire_at_once_and_nobody_elses() -> None:
    alice, bob = consenting("alice@example.org"), consenting("bob@example.org")
    stored(alice), stored(alice), stored(bob)

    event = consent.withdraw(alice, "account")

    assert event is not None and event.action == ConsentEvent.Action.WITHDRAWN
    assert not consent.keeps_chats(alice) and consent.keeps_chats(bob)
    assert not Conversation.objects.of(alice).exists() and Conversation.everything.of(alice).count() == 2
    assert not Message.objects.filter(conversation__user=alice).exists()
    assert Conversation.objects.of(bob).exists()


def test_withdrawing_what_was_never_given_writes_nothing(alice: User) -> None:
    assert consent.withdraw(alice, "account") is None
    assert not ConsentEvent.objects.exists()


def test_consents_cost_one_query(alice: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        consent.keeps_chats(alice)


def test_the_chat_gives_and_withdraws_with_json(client: Client, alice: User) -> None:
    given = client.post(GIVE, {"agreed": "yes", "language": "fr", "channel": "chat"}, headers=JSON)
    event = consent.notice("fr")
    withdrawn = client.post(WITHDRAW, {"channel": "chat"}, headers=JSON)

    assert (given.status_code, given.json()) == (200, {"keeps_chats": True})
    assert (withdrawn.status_code, withdrawn.json()) == (200, {"keeps_chats": False})
    first, last = ConsentEvent.objects.order_by("id")
    assert (first.wording, first.channel) == (event.wording, "chat")
    assert (last.action, last.wording, last.notice_sha256) == ("withdrawn", first.wording, first.notice_sha256)


def test_the_account_gives_and_withdraws_with_forms_that_lead_back(client: Client, alice: User) -> None:
    given = client.post(GIVE, {"agreed": "yes", "next": "/account/consents/"})
    withdrawn = client.post(WITHDRAW, {"next": "https://evil.example/"})

    assert given["Location"] == "/account/consents/"
    assert withdrawn["Location"] == "/account/conversations/"
    assert [event.action for event in ConsentEvent.objects.order_by("id")] == ["given", "withdrawn"]


def test_a_language_we_do_not_have_and_a_channel_nobody_knows_are_not_recorded(client: Client) -> None:
    client.post(GIVE, {"agreed": "yes", "language": "xx", "channel": "x" * 500})

    assert list(ConsentEvent.objects.values_list("language", "channel")) == [("en", "account")]


@pytest.mark.parametrize("address", [GIVE, WITHDRAW])
def test_who_is_not_signed_in_consents_to_nothing(address: str, db: None) -> None:
    assert Client().post(address, headers=JSON).status_code == 401
    assert Client().post(address).status_code == 302
    assert not ConsentEvent.objects.exists()


@pytest.mark.parametrize("address", [GIVE, WITHDRAW])
def test_consent_needs_the_token_and_a_post(address: str, alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)

    assert strict.post(address, headers=JSON).status_code == 403
    assert strict.get(address).status_code == 405
    assert not ConsentEvent.objects.exists()
