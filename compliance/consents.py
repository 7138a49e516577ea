"""Consents: an event for each yes and each no, and what holds now. Never edited, one purpose at a time."""

import uuid
from dataclasses import dataclass

from django.db import transaction

from compliance import audit
from compliance.models import ConsentEvent, Purpose


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person saw: the words beside the box, and version and digest of the notice they lead to."""

    version: str
    sha256: str
    wording: str
    language: str


def given(subject: uuid.UUID, purpose: Purpose) -> ConsentEvent | None:
    """Return the consent that holds now, None when there is none or it was withdrawn."""
    last = latest(subject, purpose)
    return last if last and last.action == ConsentEvent.Action.GIVEN else None


def latest(subject: uuid.UUID, purpose: Purpose) -> ConsentEvent | None:
    return ConsentEvent.objects.filter(subject=subject, purpose=purpose).order_by("-id").first()


def history(subject: uuid.UUID) -> list[ConsentEvent]:
    """Return every event of a person, newest first."""
    return list(ConsentEvent.objects.filter(subject=subject).order_by("-id"))


@transaction.atomic
def record(
    subject: uuid.UUID, purpose: Purpose, action: ConsentEvent.Action, notice: Notice, *, channel: str
) -> ConsentEvent:
    """Write down that a person gave or withdrew a consent, and say so in the audit log."""
    event = ConsentEvent.objects.create(
        subject=subject,
        purpose=purpose,
        action=action,
        notice_version=notice.version,
        notice_sha256=notice.sha256,
        wording=notice.wording,
        language=notice.language,
        channel=channel,
    )
    audit.record(
        f"consent.{action}",
        actor=f"user:{subject}",
        object_kind="consent",
        object_id=event.pk,
        purpose=purpose,
        notice=notice.version,
        notice_sha256=notice.sha256,
    )
    return event
