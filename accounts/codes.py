"""Codes of six digits that go to an address and come back: issued, sent, compared three times at most, used once."""

import datetime
import logging
import secrets
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare, salted_hmac

from accounts import attempts, mail, mailqueue
from accounts.attempts import Bucket
from accounts.errors import CodeRefused, MailUnavailable, TooMany, TooSoon
from accounts.models import SignInCode, User
from compliance import audit

logger = logging.getLogger(__name__)
DIGITS = 6
TOLD_EVERY = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request comes from: the digest of its browser ("" for none) and the day's name of its address."""

    browser: str
    address_name: str


def send(email: str, purpose: SignInCode.Purpose, at: Place, language: str) -> SignInCode:
    """Send a fresh code to an address, whether anybody has an account there or not, and return its row.

    The mail goes out within this call and outside any transaction. Raises TooSoon, TooMany, MailUnavailable; a code
    whose mail did not go out counts for the pause and for the client's address only.
    """
    code, row = _issue(email, purpose, at)
    context = {"code": code, "minutes": settings.CODE_AGE_S // 60}
    try:
        mail.send_now("code", email, language, context)
    except MailUnavailable:
        SignInCode.objects.filter(pk=row.pk).update(email="")
        raise
    SignInCode.objects.filter(pk=row.pk).update(sent_at=Now())
    return row


def compare(public_id: uuid.UUID | str, code: str, purpose: SignInCode.Purpose, at: Place) -> SignInCode:
    """Return the row of a code that was entered rightly, and use it up. Raises CodeRefused, TooMany.

    The try is counted before the comparison, in one UPDATE that also decides whether there is one left: of any
    number of parallel tries three are compared, and after three wrong ones the right code is refused too.
    """
    row = SignInCode.objects.filter(public_id=public_id, purpose=purpose).exclude(email="").first()
    if row is None:
        raise CodeRefused
    bucket = attempts.bucket_for(row.email, at.browser)
    compared = _count_try(row)
    try:
        failure = attempts.begin(bucket, at.address_name)
    except TooMany:
        tell_refused(row.email, bucket)
        raise
    if not constant_time_compare(row.code_digest, _digest(row.public_id, code)):
        if compared == SignInCode.MAX_COMPARED:
            logger.warning("sign-in code void after %d wrong tries", compared)
        raise CodeRefused(SignInCode.MAX_COMPARED - compared)
    # An erasure that came in between has taken the address away.
    if not SignInCode.objects.filter(pk=row.pk, used_at=None).exclude(email="").update(used_at=Now(), email=""):
        raise CodeRefused
    attempts.forgive(failure)
    return row


def address_of(public_id: uuid.UUID | str) -> str:
    """Return the address that a code went to; "" once it is over, or its person erased."""
    return SignInCode.objects.filter(public_id=public_id).values_list("email", flat=True).first() or ""


def is_open(public_id: uuid.UUID | str) -> bool:
    """Whether a code can still be entered."""
    return _open(SignInCode.objects.filter(public_id=public_id)).exists()


def tell_refused(email: str, bucket: Bucket) -> None:
    """Tell the owner of an address, once a day, that new browsers are refused; nothing where there is no owner."""
    if bucket.known:
        return
    with transaction.atomic():
        attempts.lock(f"told:{bucket.key}")
        owner = User.objects.with_address(email).filter(is_active=True).first()
        if owner is None or mailqueue.queue(owner, "signin-refused", once_within=TOLD_EVERY) is None:
            return
        logger.warning("new browsers refused for one account")
        audit.record("signin.refused", actor=audit.SYSTEM, object_kind="user", object_id=owner.public_id)


def forget_old() -> int:
    """Delete what is no longer counted, and addresses whose code is over. Returns the rows touched."""
    over = SignInCode.objects.exclude(email="").filter(expires_at__lt=Now()).update(email="")
    codes, _each = SignInCode.objects.filter(issued_at__lt=Now() - attempts.WINDOW).delete()
    failures = attempts.forget_old()
    return over + codes + failures


def _issue(email: str, purpose: SignInCode.Purpose, at: Place) -> tuple[str, SignInCode]:
    bucket = attempts.bucket_for(email, at.browser)
    code, public_id = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}", uuid.uuid4()
    try:
        with transaction.atomic():
            attempts.lock_both(bucket, at.address_name)
            attempts.check_may_ask(bucket, at.address_name)
            row = SignInCode.objects.create(
                public_id=public_id,
                purpose=purpose,
                email=email,
                bucket=bucket.key,
                address_name=at.address_name,
                code_digest=_digest(public_id, code),
                expires_at=Now() + datetime.timedelta(seconds=settings.CODE_AGE_S),
            )
    except TooSoon:
        raise
    except TooMany:
        tell_refused(email, bucket)
        raise
    return code, row


def _open(rows: QuerySet[SignInCode]) -> QuerySet[SignInCode]:
    return rows.filter(compared__lt=SignInCode.MAX_COMPARED, used_at=None, sent_at__isnull=False, expires_at__gt=Now())


def _count_try(row: SignInCode) -> int:
    """Take one of the three tries and return which. Raises CodeRefused when there is none."""
    with transaction.atomic():
        if not _open(SignInCode.objects.filter(pk=row.pk)).update(compared=F("compared") + 1):
            raise CodeRefused
        # The row is ours until the transaction ends, so nobody else's try is in this number.
        return SignInCode.objects.values_list("compared", flat=True).get(pk=row.pk)


def _digest(public_id: uuid.UUID, code: str) -> str:
    return salted_hmac("accounts.code", f"{public_id}:{code}", algorithm="sha256").hexdigest()
