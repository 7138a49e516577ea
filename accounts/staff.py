"""The link that lets a member of staff into the admin: one use, fifteen minutes."""

from django.core import signing
from django.db.models import Q
from django.utils import timezone

from accounts.errors import LinkRefused
from accounts.models import User

SALT = "accounts.staff-link"
LINK_AGE_S = 15 * 60


def make_staff(email: str) -> User:
    """Return the person with this address as active staff with every permission, made if not there."""
    user = User.objects.filter(email__iexact=email).first() or User.objects.create_user(email)
    user.is_staff = user.is_superuser = user.is_active = True
    user.save(update_fields=["is_staff", "is_superuser", "is_active"])
    return user


def link_token(user: User) -> str:
    """Return a signed token that dies with its first use, because a use moves ``last_login``."""
    return signing.dumps({"user": str(user.public_id), "last": _stamp(user)}, salt=SALT)


def redeem(token: str) -> User:
    """Return the user of a token and void it. Raises LinkRefused when it is forged, old or used.

    One UPDATE decides between two people who press at once: only one of them moves ``last_login``.
    """
    try:
        claim = signing.loads(token, salt=SALT, max_age=LINK_AGE_S)
    except signing.BadSignature as error:
        raise LinkRefused from error
    user = User.objects.filter(public_id=claim["user"], is_staff=True, is_active=True).first()
    if user is None or _stamp(user) != claim["last"]:
        raise LinkRefused
    unused = Q(last_login=user.last_login) if user.last_login else Q(last_login__isnull=True)
    if not User.objects.filter(unused, pk=user.pk).update(last_login=timezone.now()):
        raise LinkRefused
    user.refresh_from_db()
    return user


def _stamp(user: User) -> str:
    return user.last_login.isoformat() if user.last_login else ""
