"""How often codes may be asked for and tried: windows of 24 hours in PostgreSQL, by the database's clock.

Each address, whether it has an account or not, has one bucket for each browser its person has signed in with, and one
for all other browsers together. Whoever fills that one up keeps new devices out until the window has moved; known
browsers and passkeys go on. Counts are taken under a lock of the bucket, so parallel requests cannot pass together.
"""

import datetime
import hashlib
import hmac
import logging
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts import browsers
from accounts.addresses import mailbox
from accounts.errors import TooMany, TooSoon
from accounts.models import FailedSignIn, SignInCode, User
from compliance.alarms import alarm

logger = logging.getLogger(__name__)
WINDOW = datetime.timedelta(hours=24)
CODES_PER_BUCKET = 10
FAILURES_PER_BUCKET = 15
# Names of client addresses change at midnight (UTC), so these two begin anew then.
FAILURES_PER_ADDRESS = 30
CODES_PER_ADDRESS = 60  # from unknown browsers: nobody sends mail to a whole list of people through us
FAILURES_SITE_WIDE = 300
CHALLENGES_PER_MINUTE = 30
PAUSE_S = 30


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a request is counted. ``known``: the browser has been seen with this person. ``owned``: there is one."""

    key: str
    known: bool
    owned: bool


def bucket_for(email: str, browser: str) -> Bucket:
    """Return the bucket of an address for a browser, which is named by its digest, "" for one without.

    Addresses that differ in a ``+tag`` arrive in one mailbox, so they have one bucket.
    """
    known = browsers.is_known(email, browser)
    text = f"bucket:{mailbox(email)}:{browser if known else ''}"
    key = hmac.new(settings.PRIVACY_PEPPER.encode(), text.encode(), hashlib.sha256).hexdigest()
    return Bucket(key, known, owned=User.objects.with_address(email).exists())


def lock(name: str) -> None:
    """Wait until nobody else counts under ``name``; held until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7302))", [name])


def lock_both(bucket: Bucket, address_name: str) -> None:
    """Wait until nobody else counts in this bucket or for this client address. Always in this order."""
    lock(bucket.key)
    lock(f"address:{address_name}")


def check_may_ask(bucket: Bucket, address_name: str) -> None:
    """Return if one more code may be sent. The caller holds both locks. Raises TooMany, TooSoon.

    A code whose mail did not go out counts for the pause and for the client's address, so that a mail server in
    trouble is not asked without end; it is none of the ten of the person it never reached.
    """
    check_may_try(bucket, address_name)
    codes = SignInCode.objects.filter(issued_at__gt=Now() - WINDOW)
    asked = codes.filter(bucket=bucket.key)
    for age in asked.annotate(age=_age("issued_at")).order_by("age").values_list("age", flat=True)[:1]:
        if age.total_seconds() < PAUSE_S:
            raise TooSoon(PAUSE_S - int(age.total_seconds()))
    _check(asked.exclude(sent_at=None, email=""), "issued_at", CODES_PER_BUCKET)
    if not bucket.known:
        _check(codes.filter(address_name=address_name), "issued_at", CODES_PER_ADDRESS)


def check_may_try(bucket: Bucket, address_name: str) -> None:
    """Return if one more code may be compared. The caller holds both locks. Raises TooMany."""
    failures = FailedSignIn.objects.filter(at__gt=Now() - WINDOW)
    _check(failures.filter(bucket=bucket.key), "at", FAILURES_PER_BUCKET)
    _check(failures.filter(address_name=address_name), "at", FAILURES_PER_ADDRESS)
    if not bucket.known:
        _check(failures.filter(at_account=True), "at", FAILURES_SITE_WIDE)


def begin(bucket: Bucket, address_name: str) -> int:
    """Count a failure before anything is compared, and return its id for ``forgive``. Raises TooMany.

    Counted first, so that neither parallel guesses nor a process that dies in between come for free.
    """
    with transaction.atomic():
        lock_both(bucket, address_name)
        check_may_try(bucket, address_name)
        failure = FailedSignIn(bucket=bucket.key, address_name=address_name, at_account=bucket.owned)
        failure.save()
        return int(failure.pk)


def forgive(failure: int) -> None:
    """Take back what ``begin`` counted: the code was right."""
    FailedSignIn.objects.filter(pk=failure).delete()


def failures_site_wide() -> int:
    """Return the wrong codes of the last 24 hours at addresses that have an account.

    At others they would cost nothing: codes sent to anybody, and three wrong tries each.
    """
    return FailedSignIn.objects.filter(at_account=True, at__gt=Now() - WINDOW).count()


def take_challenge(address_name: str) -> None:
    """Count one challenge for a passkey, which costs a session. Raises TooMany beyond 30 a minute from one address.

    Nothing can be guessed there, so the cache is good enough.
    """
    key = f"accounts:challenges:{address_name}"
    cache.add(key, 0, 60)
    try:
        taken = cache.incr(key)
    except ValueError:  # its minute ended between these two lines
        return
    if taken > CHALLENGES_PER_MINUTE:
        raise TooMany(60)


def forget_old() -> int:
    """Delete failures that are no longer counted, and return how many."""
    return FailedSignIn.objects.filter(at__lt=Now() - WINDOW).delete()[0]


@alarm("accounts.signin")
def site_wide_failures() -> list[str | Promise]:
    """Tell that somebody guesses codes, and what it costs everybody."""
    count = failures_site_wide()
    if count < FAILURES_SITE_WIDE:
        return []
    return [
        _("%(count)d wrong sign-in codes in 24 hours: codes are taken from known browsers only.") % {"count": count}
    ]


def _check(counted: "QuerySet[SignInCode] | QuerySet[FailedSignIn]", column: str, limit: int) -> None:
    """Raise TooMany when ``counted`` has reached ``limit``, with the time until enough of it is a day old."""
    ages = counted.annotate(age=_age(column)).order_by(f"-{column}").values_list("age", flat=True)
    for age in ages[limit - 1 : limit]:
        raise TooMany(int((WINDOW - age).total_seconds()) + 1)


def _age(column: str) -> ExpressionWrapper:
    return ExpressionWrapper(Now() - F(column), output_field=DurationField())
