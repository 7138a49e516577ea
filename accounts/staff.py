"""The door to the admin: a link for one person (one use, fifteen minutes), then a second factor."""

from allauth.mfa.models import Authenticator
from django.contrib.admin import AdminSite
from django.core import signing
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from accounts import proof, sessions
from accounts.errors import BeingErased, LinkRefused
from accounts.models import AccountClosure, User
from compliance import audit
from compliance.audit import Value

SALT = "accounts.staff-link"
LINK_AGE_S = 15 * 60


class StaffSite(AdminSite):
    """The admin, open to staff whose session has proven a second factor."""

    def has_permission(self, request: HttpRequest) -> bool:
        user = request.user
        return super().has_permission(request) and isinstance(user, User) and proof.has_factor(request, user)


@transaction.atomic
def make_staff(email: str) -> User:
    """Return the person with this address as active staff with every permission, made if not there.

    Every session they have ends: one from before was opened by less than staff show. Raises BeingErased for somebody
    who has asked to be erased.
    """
    user = User.objects.with_address(email).first() or User.objects.create_user(email)
    if AccountClosure.objects.filter(user=user).exists():
        raise BeingErased
    before: dict[str, Value] = {"staff": user.is_staff, "superuser": user.is_superuser, "active": user.is_active}
    user.is_staff = user.is_superuser = user.is_active = True
    user.save(update_fields=["is_staff", "is_superuser", "is_active"])
    sessions.end_all(user, actor=audit.OPERATOR)
    after: dict[str, Value] = dict.fromkeys(before, True)
    audit.record(
        "staff.made", actor=audit.OPERATOR, object_kind="user", object_id=user.public_id, before=before, after=after
    )
    return user


@transaction.atomic
def forget_factors(user: User) -> int:
    """Delete every factor of somebody who has lost them all, and return how many. The next link leads to enrolment.

    Whoever holds what was lost may be signed in with it, so every session ends.
    """
    count, _each = Authenticator.objects.filter(user=user).delete()
    sessions.end_all(user, actor=audit.OPERATOR)
    audit.record(
        "account.factors-reset", actor=audit.OPERATOR, object_kind="user", object_id=user.public_id, count=count
    )
    return count


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
