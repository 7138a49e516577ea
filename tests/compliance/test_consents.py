"""Consents: what holds now, and proof of every yes and no."""

import uuid

import pytest

from compliance import chain, consents
from compliance.consents import Notice
from compliance.models import AuditEntry, ConsentEvent, Purpose

NOTICE = Notice("1", "ab" * 32, "Garder mes conversations pendant 7 jours.", "fr")
GIVEN, WITHDRAWN = ConsentEvent.Action.GIVEN, ConsentEvent.Action.WITHDRAWN


@pytest.fixture
def subject(db: None) -> uuid.UUID:
    return uuid.uuid4()


def test_nobody_has_consented_to_begin_with(subject: uuid.UUID) -> None:
    assert consents.given(subject, Purpose.KEEP_CHATS) is None


def test_the_last_word_holds(subject: uuid.UUID) -> None:
    for action in (GIVEN, WITHDRAWN, GIVEN):
        consents.record(subject, Purpose.KEEP_CHATS, action, NOTICE, channel="chat")

    assert consents.given(subject, Purpose.KEEP_CHATS)
    assert [event.action for event in consents.history(subject)] == [GIVEN, WITHDRAWN, GIVEN]

    consents.record(subject, Purpose.KEEP_CHATS, WITHDRAWN, NOTICE, channel="chat")
    assert consents.given(subject, Purpose.KEEP_CHATS) is None


def test_one_persons_word_is_nobody_elses(subject: uuid.UUID) -> None:
    consents.record(subject, Purpose.KEEP_CHATS, GIVEN, NOTICE, channel="chat")

    assert consents.given(uuid.uuid4(), Purpose.KEEP_CHATS) is None


def test_what_was_read_is_on_record_and_the_audit_log_holds_none_of_its_words(subject: uuid.UUID) -> None:
    event = consents.record(subject, Purpose.KEEP_CHATS, GIVEN, NOTICE, channel="chat")

    event.refresh_from_db()
    entry = AuditEntry.objects.get()
    assert (event.wording, event.language, event.notice_sha256) == (NOTICE.wording, "fr", NOTICE.sha256)
    assert entry.action == "consent.given"
    assert entry.actor == f"user:{subject}"
    assert entry.changes == {"facts": {"purpose": "keep_chats", "notice": "1", "notice_sha256": NOTICE.sha256}}
    assert chain.first_break(AuditEntry) is None
