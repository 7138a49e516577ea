"""Mail that may wait: a row of who, which template and about what. It is rendered when it is sent, in the language the
reader has then, so no text is kept; a mail server that is away blocks nothing and is tried again for a day.

To whom it goes is one of three: a person with an account (``template``, ``queue``), the team behind the site
(``team_template``, ``queue_to_team``), or whoever its template names when it is sent (``letter_template``,
``queue_letter``): an answer that somebody of the team wrote by hand, whose address is in the row it is about.

A mail is sent at least once: a worker that is killed between the mail server's yes and our commit sends it again.
"""

import datetime
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Min
from django.db.models.functions import Now

from accounts import mail
from accounts.errors import MailRefused, MailUnavailable, UnknownTemplate
from accounts.models import QueuedMail, User

logger = logging.getLogger(__name__)

LONGEST_PAUSE_S = 3600
KEPT_DAYS = 30
TEAM_LOCK = 7_302_002  # an advisory lock, any number nobody else in this database uses
Context = Callable[[User, str], dict[str, Any] | None]
TeamContext = Callable[[str], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail ready to be rendered. ``by_hand``: a person wrote what it says."""

    to: str
    language: str
    values: dict[str, Any]
    by_hand: bool = False


_letters: dict[str, Callable[[User | None, str], Letter | None]] = {}


def template(name: str, context: Context) -> None:
    """Name a mail and what it is about. ``context`` is asked when the mail is sent; None means that it has become
    pointless: an export that was fetched meanwhile."""

    def letter(user: User | None, object_id: str) -> Letter | None:
        values = context(user, object_id) if user is not None else None
        return None if user is None or values is None else Letter(user.email, user.language, values)

    _letters[name] = letter


def team_template(name: str, context: TeamContext) -> None:
    """Name a mail to ``TEAM_EMAIL``, in the site's first language. None from ``context`` means: pointless by now."""

    def letter(_user: User | None, object_id: str) -> Letter | None:
        values = context(object_id) if settings.TEAM_EMAIL else None
        return None if values is None else Letter(settings.TEAM_EMAIL, settings.LANGUAGE_CODE, values)

    _letters[name] = letter


def letter_template(name: str, letter: Callable[[str], Letter | None]) -> None:
    """Name a mail whose reader is known by what it is about. Only for what a person has written by hand."""
    _letters[name] = lambda _user, object_id: letter(object_id)


def queue(
    user: User, name: str, object_id: str = "", *, once_within: datetime.timedelta | None = None
) -> QueuedMail | None:
    """Write down that a person is to get a mail. None when the same was written within ``once_within``."""
    if name not in _letters:
        raise UnknownTemplate(name)
    with transaction.atomic():
        if once_within is not None:
            User.objects.select_for_update().get(pk=user.pk)
            same = QueuedMail.objects.filter(user=user, template=name, object_id=object_id)
            if same.filter(created_at__gt=Now() - once_within).exists():
                return None
        return QueuedMail.objects.create(user=user, template=name, object_id=object_id)


def queue_to_team(
    name: str, object_id: str = "", *, once_within: datetime.timedelta | None = None, alike: str = ""
) -> QueuedMail | None:
    """Write down that the team is to get a mail. None when nobody is named in ``TEAM_EMAIL``, or one waits already.

    With ``once_within`` at most one goes out in that time, of this template and about objects whose id begins with
    ``alike``: a flood must not become a flood of mail. What comes in between is not lost: one more mail waits until
    the time is over, and its template counts when it is sent.
    """
    if name not in _letters:
        raise UnknownTemplate(name)
    if not settings.TEAM_EMAIL:
        return None
    with transaction.atomic():
        row = QueuedMail(user=None, template=name, object_id=object_id)
        if once_within is not None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TEAM_LOCK])
            same = QueuedMail.objects.filter(user=None, template=name, object_id__startswith=alike)
            if same.filter(state=QueuedMail.State.PENDING).exists():
                return None
            # ``due_at`` of a mail that was sent is when its lease would have ended: not before it went.
            sent = same.filter(state=QueuedMail.State.SENT, due_at__gt=Now() - once_within)
            if last := sent.order_by("-due_at").values_list("due_at", flat=True).first():
                row.due_at = last + once_within
        row.save()
        return row


def queue_letter(name: str, object_id: str) -> QueuedMail:
    """Write down that a mail is to go to whoever its template names."""
    if name not in _letters:
        raise UnknownTemplate(name)
    return QueuedMail.objects.create(user=None, template=name, object_id=object_id)


def send(mail_id: int) -> bool:
    """Send one mail if it is due. False when it was not, has become pointless, or the mail server did not take it."""
    if not QueuedMail.objects.claim(mail_id):
        return False
    queued = QueuedMail.objects.select_related("user").get(pk=mail_id)
    letter = _letters[queued.template](queued.user, queued.object_id)
    if letter is None:
        _close(queued, QueuedMail.State.VOID)
        return False
    try:
        mail.send_now(queued.template, letter.to, letter.language, letter.values, by_hand=letter.by_hand)
    except MailRefused:
        _close(queued, QueuedMail.State.FAILED, problem="refused")
        return False
    except MailUnavailable:
        _put_off(queued)
        return False
    _close(queued, QueuedMail.State.SENT)
    return True


def oldest_waiting_s() -> int | None:
    """Return the age in seconds of the oldest mail that still waits; None when none does."""
    waiting = QueuedMail.objects.filter(state=QueuedMail.State.PENDING)
    age = waiting.aggregate(age=Now() - Min("created_at"))["age"]
    return int(age.total_seconds()) if age is not None else None


def prune() -> int:
    """Forget mail that was dealt with a month ago. Returns how many."""
    closed = QueuedMail.objects.exclude(state=QueuedMail.State.PENDING)
    return closed.filter(created_at__lt=Now() - datetime.timedelta(days=KEPT_DAYS)).delete()[0]


def empty_folder() -> int:
    """Delete what the backend that writes mail into files wrote ``MAIL_FILES_KEPT_DAYS`` ago. Returns how many."""
    folder = getattr(settings, "EMAIL_FILE_PATH", None)
    if not folder or not Path(folder).is_dir():
        return 0
    oldest = time.time() - settings.MAIL_FILES_KEPT_DAYS * 86_400
    old = [path for path in Path(folder).iterdir() if path.is_file() and path.stat().st_mtime < oldest]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _put_off(queued: QueuedMail) -> None:
    """Try again later, each time twice as late, and never again after a day."""
    row = QueuedMail.objects.filter(pk=queued.pk, state=QueuedMail.State.PENDING)
    if row.filter(created_at__lte=Now() - datetime.timedelta(seconds=settings.MAIL_RETRY_S)).exists():
        _close(queued, QueuedMail.State.FAILED, problem="unavailable")
        return
    pause_s = min(settings.MAIL_PAUSE_S * 2 ** min(queued.tries - 1, 20), LONGEST_PAUSE_S)
    row.update(crashes=0, problem="unavailable", due_at=Now() + datetime.timedelta(seconds=pause_s))
    # What else is due would meet the same silence, five seconds each: it waits until the next try has shown better.
    QueuedMail.objects.due().order_by().update(due_at=Now() + datetime.timedelta(seconds=settings.MAIL_PAUSE_S))
    logger.warning("mail %d: no mail server, next try in %d s", queued.pk, pause_s)


def _close(queued: QueuedMail, state: QueuedMail.State, *, problem: str = "") -> None:
    row = QueuedMail.objects.filter(pk=queued.pk, state=QueuedMail.State.PENDING)
    row.update(state=state, crashes=0, problem=problem)
    if state == QueuedMail.State.FAILED:
        logger.warning("mail %d given up after %d tries: %s", queued.pk, queued.tries, problem)
