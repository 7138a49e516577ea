"""Erasing a person: locked at once, gone by the worker, in one transaction that a killed worker leaves undone.

What stays, because it names nobody once the account is gone: the closure (a random id, counts, times), the person's
consent events (the proof that storing was lawful) and their audit entries (ids and short values). The freed pages of
the database and the operator's backups hold the rest until they are written over.

The last mail is sent directly and before the deletion: afterwards nobody knows the address, and to queue it would mean
to keep it. A mail server that is away does not hold the erasure up; the mail is then left out.
"""

import logging
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models.functions import Lower, Now

from accounts import export, mail, sessions
from accounts.errors import MailRefused, MailUnavailable
from accounts.models import AccountClosure, QueuedMail, SignInCode, User
from accounts.signals import account_closing
from compliance import audit

logger = logging.getLogger(__name__)

LAST_MAIL = "erased"


@transaction.atomic
def close(user: User) -> AccountClosure:
    """Lock a person out everywhere and write down that they are to be erased. Twice is harmless."""
    closure, new = AccountClosure.objects.get_or_create(user=user, defaults={"subject": user.public_id})
    User.objects.filter(pk=user.pk).update(is_active=False)
    QueuedMail.objects.filter(user=user, state=QueuedMail.State.PENDING).update(state=QueuedMail.State.VOID)
    sessions.end_all(user)
    if new:
        audit.record("account.closing", actor=user, object_kind="user", object_id=user.public_id)
    return closure


def erase(closure_id: int) -> bool:
    """Erase the person of a closure. False when there is nothing to do: done, or somebody else is at it."""
    if not AccountClosure.objects.claim(closure_id):
        return False
    closure = AccountClosure.objects.select_related("user").get(pk=closure_id)
    if closure.user is not None and closure.told_at is None:
        _tell(closure, closure.user)
    with transaction.atomic():
        closure = AccountClosure.objects.select_for_update().get(pk=closure_id)
        if closure.state != AccountClosure.State.REQUESTED:
            return False
        counts = _delete(closure.user) if closure.user else {}
        closed = AccountClosure.objects.filter(pk=closure_id)
        closed.update(state=AccountClosure.State.DONE, done_at=Now(), erased=counts, user=None)
        audit.record(
            "account.erased", actor=audit.SYSTEM, object_kind="user", object_id=closure.subject, **_facts(counts)
        )
    return True


def _tell(closure: AccountClosure, user: User) -> None:
    try:
        mail.send_now(LAST_MAIL, user.email, user.language, {})
    except (MailRefused, MailUnavailable) as error:
        logger.warning("closure %d: the last mail was not sent: %s", closure.pk, type(error).__name__)
        return
    AccountClosure.objects.filter(pk=closure.pk).update(told_at=Now())


def _delete(user: User) -> dict[str, int]:
    """Delete a person and everything that is theirs; return the counts, by the names of the apps' own words."""
    counts = {"export_files": export.delete_files(user)}
    answers: list[Any] = [answer for _receiver, answer in account_closing.send(sender=User, user=user)]
    for erased in answers:
        counts.update(erased or {})
    # The admin's own log names an object by its words, which for a person is the address.
    content_type = ContentType.objects.get_for_model(User)
    counts["admin_log"] = LogEntry.objects.filter(content_type=content_type, object_id=str(user.pk)).delete()[0]
    # A code that still waits holds the address without belonging to anybody.
    waiting = SignInCode.objects.alias(lowered=Lower("email")).filter(lowered=user.email.lower())
    waiting.update(email="")
    _total, by_model = user.delete()
    for label, count in by_model.items():
        counts[label.lower()] = counts.get(label.lower(), 0) + count
    return {name: count for name, count in sorted(counts.items()) if count}


def _facts(counts: dict[str, int]) -> dict[str, Any]:
    return {name.replace(".", "_"): count for name, count in counts.items()}
