"""What people handed to us goes: the texts of flags, and messages to the team. Part of ``chat.retention``.

A flag stays as a row without texts, so that an answer is not flagged twice and decisions can be counted. A message
goes whole, with what was answered.
"""

import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Now

from accounts import export
from accounts.models import User
from chat.access import lock_person
from chat.deleted import Deleted, counted
from chat.models import Flag, TeamMessage
from chat.moderation import training
from compliance import audit

SENDER = "sender"  # who shows the receipt number; the log knows no more
# The process that judges a seal's age has a clock of its own; this is more than two clocks are apart.
CLOCKS_APART = datetime.timedelta(hours=1)


def delete_expired(batch: int) -> Deleted:
    """Empty the flags and delete the messages whose time is up; forget which answers old flags were about."""
    total = Deleted()
    while done := _empty_flags(batch):
        total += done
    while done := _delete_team_messages(batch):
        total += done
    while _forget_answers(batch):
        pass
    return total


@transaction.atomic
def delete_flag(flag: Flag, *, actor: User | str = SENDER) -> Deleted:
    """Delete the texts of a flag now, because its sender says so. What was decided stands; what waits is withdrawn.

    All of them: the question that was taken into the training set leaves it too.
    """
    list(Flag.objects.filter(pk=flag.pk).select_for_update().values_list("pk"))  # first, as deciding does
    examples = training.forget_flag(flag)
    done = _empty(Flag.objects.filter(pk=flag.pk), left_open=Flag.State.WITHDRAWN)
    if done or examples:
        audit.record("flag.texts-deleted", actor=actor, object_kind="flag", object_id=flag.public_id, examples=examples)
    return done


@transaction.atomic
def delete_team_message(message: TeamMessage, *, actor: User | str = SENDER) -> Deleted:
    """Delete a message to the team with what was answered, because its sender says so."""
    done = _delete_messages(TeamMessage.objects.filter(pk=message.pk))
    if done:
        audit.record("team-message.deleted", actor=actor, object_kind="team_message", object_id=message.public_id)
    return done


def delete_team_messages_of(user: User) -> Deleted:
    """Delete what a person wrote to the team, in the transaction that closes the account and says so in the log."""
    return _delete_messages(TeamMessage.objects.filter(user=user))


def lock_all_of(user: User) -> None:
    """Lock what a person handed over, before the files of their export.

    Sweeps and staff hold these rows when they come to those files. A closing account, which comes to the files with its
    conversations already, would wait for one of them while that one waits for the files.
    """
    list(Flag.objects.filter(user=user).select_for_update().order_by("pk").values_list("pk"))
    list(TeamMessage.objects.filter(user=user).select_for_update().order_by("pk").values_list("pk"))
    training.lock(user.public_id)


def on_account_closing(sender: type[User], *, user: User, **_kwargs: Any) -> dict[str, int]:
    """Receive ``accounts.signals.account_closing``: empty this person's flags, and say how many.

    Their consent to training names nobody any more once the account is gone, so the flags forget it too.
    """
    lock_person(user)
    Flag.objects.filter(user=user, training_subject=user.public_id).update(training_subject=None)
    return {"flag_texts": _empty(Flag.objects.filter(user=user), left_open=Flag.State.WITHDRAWN).flags}


def overdue(late: datetime.timedelta) -> bool:
    """Whether something is there that should be gone for so long."""
    too_old = Now() - (datetime.timedelta(days=settings.FLAG_RETENTION_DAYS) + late)
    texts = Flag.objects.filter(emptied_at=None)
    return (
        texts.filter(created_at__lt=too_old).exists()
        or texts.filter(expires_at__lt=Now() - late).exists()
        or TeamMessage.objects.filter(expires_at__lt=Now() - late).exists()
    )


@transaction.atomic
def _empty_flags(batch: int) -> Deleted:
    expired = Flag.objects.filter(emptied_at=None, expires_at__lte=Now()).order_by("expires_at")
    keys = list(expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:batch])
    return _empty(Flag.objects.filter(pk__in=keys), left_open=Flag.State.LAPSED) if keys else Deleted()


def _empty(flags: Any, *, left_open: str) -> Deleted:
    """Take the texts out of flags that have them. One that waits for a decision gets the state ``left_open``."""
    found = flags.filter(emptied_at=None).select_for_update().order_by("pk")
    keys = list(found.values_list("pk", flat=True))
    if not keys:
        return Deleted()
    export.start_again(User.objects.filter(flags__in=keys))
    Flag.objects.filter(pk__in=keys).update(
        question="",
        text="",
        words="",
        note="",
        passages=[],
        receipt={},
        emptied_at=Now(),
        state=Case(When(state=Flag.State.OPEN, then=Value(left_open)), default=F("state")),
        locked_by=None,
        locked_until=None,
    )
    return counted(Deleted(flags=len(keys)))


@transaction.atomic
def _forget_answers(batch: int) -> int:
    old = Flag.objects.filter(answer__isnull=False, answer_until__lte=Now() - CLOCKS_APART).order_by("pk")
    keys = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:batch])
    return Flag.objects.filter(pk__in=keys).update(answer=None)


@transaction.atomic
def _delete_team_messages(batch: int) -> Deleted:
    closed = TeamMessage.objects.filter(state=TeamMessage.State.CLOSED, expires_at__lte=Now()).order_by("expires_at")
    keys = list(closed.select_for_update(skip_locked=True).values_list("pk", flat=True)[:batch])
    return _delete_messages(TeamMessage.objects.filter(pk__in=keys)) if keys else Deleted()


def _delete_messages(messages: Any) -> Deleted:
    keys = list(messages.select_for_update().order_by("pk").values_list("pk", flat=True))
    if not keys:
        return Deleted()
    export.start_again(User.objects.filter(team_messages__in=keys))
    _total, kinds = TeamMessage.objects.filter(pk__in=keys).delete()
    return counted(Deleted(team_messages=kinds.get(TeamMessage._meta.label, 0)))
