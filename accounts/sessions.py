"""Where a person is signed in: what they see of it, ending one, ending the others, and whether one still lives.

The truth is Django's session row; ours beside it says whose it is, and of the browser a short name. No address is kept.
"""

import datetime
import uuid
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from accounts.models import User, UserSession
from accounts.signals import session_ended
from compliance import audit

SEEN_EVERY = datetime.timedelta(minutes=5)

# The first that is named in a browser's own description; what claims to be several is the rarer one.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


def connect() -> None:
    """Follow sign-in and sign-out. Called once, when the apps are ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="accounts.sessions")
    user_logged_out.connect(_signed_out, dispatch_uid="accounts.sessions")


def of(user: User) -> QuerySet[UserSession]:
    """Return the sessions of a person that are alive, last seen first."""
    return UserSession.objects.filter(user=user, session_key__in=_living().values("session_key"))


def alive(session_key: str) -> bool:
    """Tell whether a session was neither ended nor signed out nor is too old: one query by primary key."""
    return _living().filter(pk=session_key).exists()


def touch(session_key: str) -> None:
    """Note that a session is in use; written at most every five minutes."""
    UserSession.objects.filter(session_key=session_key, seen_at__lt=Now() - SEEN_EVERY).update(seen_at=Now())


def end(user: User, public_id: uuid.UUID) -> bool:
    """End one session of a person. False when there is none of that id, or it is somebody else's."""
    session = UserSession.objects.filter(user=user, public_id=public_id).first()
    if session is None:
        return False
    _end(user, [session.session_key])
    return True


def end_others(user: User, current: str, *, actor: User | str | None = None) -> int:
    """End every session of a person but the one with the key ``current``. Returns how many.

    ``actor`` is who does it, for the audit log: the person unless given.
    """
    keys = list(
        UserSession.objects.filter(user=user).exclude(session_key=current).values_list("session_key", flat=True)
    )
    _end(user, keys, actor)
    return len(keys)


def end_all(user: User, *, actor: User | str | None = None) -> int:
    """End every session of a person. Returns how many."""
    return end_others(user, current="", actor=actor)


def forget_dead() -> int:
    """Delete our rows of sessions that are over. Returns how many."""
    return UserSession.objects.exclude(session_key__in=_living().values("session_key")).delete()[0]


def browser_name(description: str) -> str:
    """Return a short name such as *Firefox · Linux* for what a browser says about itself; empty when it is unknown."""
    browser = next((name for mark, name in BROWSERS.items() if mark in description), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in description), "")
    return " · ".join(part for part in (browser, system) if part)


def _living() -> QuerySet[Session]:
    return Session.objects.filter(expire_date__gt=Now())


@transaction.atomic
def _end(user: User, keys: list[str], actor: User | str | None = None) -> None:
    if not keys:
        return
    # Row and cache before the commit: with Redis away nothing is ended, and the person is told to try again. And once
    # more after it, because a request that ran meanwhile may have read the row back into the cache.
    _delete(keys)
    UserSession.objects.filter(session_key__in=keys).delete()
    transaction.on_commit(lambda: _delete(keys))
    transaction.on_commit(lambda: _tell(keys))
    audit.record("session.ended", actor=actor or user, object_kind="user", object_id=user.public_id, sessions=len(keys))


def _delete(keys: list[str]) -> None:
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    for key in keys:
        store.delete(key)


def _tell(keys: list[str]) -> None:
    for key in keys:
        session_ended.send_robust(sender=UserSession, session_key=key)


def _signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    if not request.session.session_key:
        request.session.save()
    UserSession.objects.update_or_create(
        session_key=request.session.session_key,
        defaults={"user": user, "browser": browser_name(request.headers.get("User-Agent", ""))},
    )


def _signed_out(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
    key = request.session.session_key
    if key:
        UserSession.objects.filter(session_key=key).delete()
        session_ended.send_robust(sender=UserSession, session_key=key)
