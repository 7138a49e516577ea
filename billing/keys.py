"""API keys: made, recognised, rotated, revoked. The key itself is shown once and kept nowhere.

``wag_`` + 40 random characters + 6 of a checksum, all letters and digits: 238 random bits, so a plain keyed digest
guards them, and the checksum tells a typing error, or a key in a text, without asking the database.
"""

import datetime
import hmac
import re
import secrets
import string
import zlib
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Least, Now

from accounts.models import User
from billing.errors import NotAllowed
from billing.models import ApiKey, Customer, Plan
from compliance import audit

MARK = "wag_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_CHARS, CHECKSUM_CHARS = 40, 6
SHOWN_CHARS = 10
KEY = re.compile(rf"{MARK}[0-9A-Za-z]{{{RANDOM_CHARS + CHECKSUM_CHARS}}}")
IN_A_TEXT = re.compile(rf"(?<![0-9A-Za-z_]){KEY.pattern}(?![0-9A-Za-z])")
MAX_KEYS = 100  # of one customer that work at a time
DEFAULT_GRACE = datetime.timedelta(hours=24)
MAX_GRACE = datetime.timedelta(days=30)


def new_text() -> str:
    """Return a new key."""
    random = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_CHARS))
    return f"{MARK}{random}{_checksum(random)}"


def is_key(text: str) -> bool:
    """Whether ``text`` is a key by its form and checksum; whose, only the database knows."""
    return bool(KEY.fullmatch(text)) and _checksum(text[len(MARK) : -CHECKSUM_CHARS]) == text[-CHECKSUM_CHARS:]


def holds_key(text: str) -> bool:
    """Whether a text that somebody wrote has a key in it."""
    return MARK in text and any(is_key(found) for found in IN_A_TEXT.findall(text))


def _checksum(random: str) -> str:
    number = zlib.crc32(f"{MARK}{random}".encode())
    found = ""
    for _ in range(CHECKSUM_CHARS):
        number, digit = divmod(number, len(ALPHABET))
        found = ALPHABET[digit] + found
    return found


def digests(text: str) -> dict[str, str]:
    """Return the digest of a key under each pepper by the pepper's id, the one in use first."""
    return {
        name: hmac.digest(pepper, text.encode(), "sha256").hex() for name, pepper in settings.API_KEY_PEPPERS.items()
    }


def customer_of(user: User) -> Customer:
    """Return the customer that a person is, made with the smallest plan if they are none yet."""
    plan = Plan.objects.order_by("rank").first()
    if plan is None:
        raise NotAllowed("no_plan")
    return Customer.objects.select_related("plan").get_or_create(user=user, defaults={"plan": plan})[0]


@transaction.atomic
def make(customer: Customer, name: str, *, actor: audit.Person | str, **limits: Any) -> tuple[ApiKey, str]:
    """Return a new key and its text, which nobody can find out later. ``limits`` are fields of ApiKey.

    Raises NotAllowed when the customer has too many.
    """
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if ApiKey.objects.working().filter(customer=customer).count() >= MAX_KEYS:
        raise NotAllowed("too_many_keys")
    text = new_text()
    pepper_id, digest = next(iter(digests(text).items()))
    key = ApiKey.objects.create(
        customer=customer, name=name, prefix=text[:SHOWN_CHARS], digest=digest, pepper_id=pepper_id, **limits
    )
    audit.record("billing.key-made", actor=actor, object_kind="key", object_id=key.public_id)
    return key, text


@transaction.atomic
def rotate(key: ApiKey, *, actor: audit.Person | str, grace: datetime.timedelta = DEFAULT_GRACE) -> tuple[ApiKey, str]:
    """Return a successor with the same name, scopes and limits; both work until the grace is over.

    Raises NotAllowed for a key that has a successor or does not work any more.
    """
    old = ApiKey.objects.select_for_update().get(pk=key.pk)
    if old.successor_id is not None or not ApiKey.objects.working().filter(pk=old.pk).exists():
        raise NotAllowed("not_rotatable")
    kept = (
        "scopes",
        "allowed_models",
        "address_ranges",
        "day_limit_microusd",
        "month_limit_microusd",
        "day_gpu_s",
        "month_gpu_s",
        "requests_per_minute",
        "tokens_per_minute",
        "parallel_calls",
        "expires_at",
    )
    text = new_text()
    pepper_id, digest = next(iter(digests(text).items()))
    new = ApiKey.objects.create(
        customer_id=old.customer_id,
        name=old.name,
        prefix=text[:SHOWN_CHARS],
        digest=digest,
        pepper_id=pepper_id,
        **{name: getattr(old, name) for name in kept},
    )
    ends = Now() + min(max(grace, datetime.timedelta()), MAX_GRACE)
    ApiKey.objects.filter(pk=old.pk).update(successor=new, expires_at=Least(Coalesce(F("expires_at"), ends), ends))
    audit.record(
        "billing.key-rotated",
        actor=actor,
        object_kind="key",
        object_id=old.public_id,
        successor=str(new.public_id),
        grace_s=round(grace.total_seconds()),
    )
    return new, text


@transaction.atomic
def revoke(key: ApiKey, *, actor: audit.Person | str, reason: str = "") -> bool:
    """End a key now; False when it had ended. Every process refuses it within ``API_KEY_CACHE_S``."""
    changed = ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=Now())
    if changed:
        audit.record(
            "billing.key-revoked", actor=actor, object_kind="key", object_id=key.public_id, reason=reason or None
        )
    return bool(changed)


def renew_digest(key_id: int, text: str) -> None:
    """Keep a key that was found under an older pepper under the one in use."""
    pepper_id, digest = next(iter(digests(text).items()))
    ApiKey.objects.filter(pk=key_id).update(digest=digest, pepper_id=Value(pepper_id))
