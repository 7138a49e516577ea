"""Browsers in which somebody has signed in before: a random number in a signed cookie, its digest beside the person.

Who floods a person's address with codes from elsewhere cannot lock the person out of these.
"""

import datetime
import hashlib
import secrets

from django.conf import settings
from django.core import signing
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse

from accounts.models import KnownBrowser, User

SALT = "accounts.browser"
KEPT = datetime.timedelta(days=400)  # the longest that browsers keep a cookie


def browser_of(request: HttpRequest) -> str:
    """Return the digest of the browser's number, "" where it has none that we signed."""
    try:
        number = signing.TimestampSigner(salt=SALT).unsign(
            request.COOKIES.get(settings.BROWSER_COOKIE_NAME, ""), max_age=KEPT
        )
    except signing.BadSignature:
        return ""
    return _digest(number)


def is_known(email: str, digest: str) -> bool:
    """Whether the person with this address has signed in in this browser. Asks the same for an unknown address."""
    people = User.objects.with_address(email)
    return KnownBrowser.objects.filter(user__in=people, digest=digest, last_seen_at__gt=Now() - KEPT).exists()


def remember(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Make this browser a known one of ``user``, and give it a number where it has none."""
    digest = browser_of(request)
    if digest:
        number = signing.TimestampSigner(salt=SALT).unsign(request.COOKIES[settings.BROWSER_COOKIE_NAME])
    else:
        number = secrets.token_urlsafe(24)
        digest = _digest(number)
    KnownBrowser.objects.update_or_create(user=user, digest=digest, defaults={"last_seen_at": Now()})
    response.set_cookie(
        settings.BROWSER_COOKIE_NAME,
        signing.TimestampSigner(salt=SALT).sign(number),
        max_age=KEPT,
        path="/",
        secure=settings.HTTPS,
        httponly=True,
        samesite="Lax",
    )


def forget_old() -> int:
    """Delete browsers whose cookie has run out, and return how many."""
    return KnownBrowser.objects.filter(last_seen_at__lt=Now() - KEPT).delete()[0]


def _digest(number: str) -> str:
    return hashlib.sha256(number.encode()).hexdigest()
