"""What a sender does with a message: send it, look how it stands, delete it. Staff's side is ``thread``."""

import datetime
import logging
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from accounts import mailqueue
from accounts.models import User
from chat import retention
from chat.contact.deadlines import deadline
from chat.contact.drafts import Draft
from chat.contact.errors import SentAlready, UnknownNumber
from chat.models import TeamMessage
from compliance import audit, receipt_numbers

logger = logging.getLogger(__name__)
PREFIX = "M"
NOTICE = "team-message"
NOTICE_EVERY = datetime.timedelta(minutes=10)
VISITOR = "visitor"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is in, and the number that only its sender has. ``mail`` is the row of the team's notice."""

    number: str
    message: TeamMessage
    mail: int | None


@transaction.atomic
def send(draft: Draft, *, user: User | None, now: datetime.datetime) -> Sent:
    """Keep a message for the team and tell them that there is one. Raises SentAlready for an id that was used.

    Nothing is sent to ``draft.reply_to``: whoever typed it may not be the one who reads there.
    """
    number = receipt_numbers.new(PREFIX)
    try:
        with transaction.atomic():
            message = TeamMessage.objects.create(
                public_id=draft.id,
                number_sha256=receipt_numbers.digest(number),
                kind=draft.kind,
                language=draft.language,
                text=draft.text,
                reply_to=draft.reply_to,
                user=user,
                due_at=now + deadline(draft.kind).within,
            )
    except IntegrityError as error:
        raise SentAlready from error
    notice = notify(message)
    logger.info("a message to the team: %s", message.kind)
    audit.record(
        "contact.message-sent",
        actor=user or VISITOR,
        object_kind="team_message",
        object_id=message.public_id,
        kind=message.kind,
        answer_wanted=bool(draft.reply_to),
    )
    return Sent(number, message, notice)


def notify(message: TeamMessage) -> int | None:
    """Queue the mail that tells the team of a message; of one kind at most one in ten minutes. Returns its row."""
    kind = f"{message.kind}:"
    row = mailqueue.queue_to_team(NOTICE, f"{kind}{message.public_id}", once_within=NOTICE_EVERY, alike=kind)
    return row.pk if row else None


def by_number(number: str) -> TeamMessage:
    """Return the message with a receipt number. Raises UnknownNumber, also when it has expired."""
    found = TeamMessage.objects.kept().filter(number_sha256=receipt_numbers.digest(number)).first()
    if found is None:
        raise UnknownNumber
    return found


def delete(number: str) -> None:
    """Delete the message with a receipt number, with the answers to it, at once. Raises UnknownNumber."""
    retention.delete_team_message(by_number(number))
