"""What staff decide about a customer: limits, plan, suspension. Each with a reason, before and after in the audit log.

The customer's own cap of a month (``month_limit_microusd``) is theirs and stays below the plan's. Whoever needs more
than every plan gives gets a plan of their own, one that is not offered.
"""

from collections.abc import Mapping

from django.db import models, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.errors import NotAllowed
from billing.models import Customer, Plan, Subscription
from compliance import audit

LIMITS = ("requests_per_minute", "tokens_per_minute", "parallel_calls", "day_gpu_s", "month_gpu_s")


class Reason(models.TextChoices):
    """Why staff, or a payment that failed, change what a customer may."""

    REQUEST = "request", _("the customer asked")
    AGREEMENT = "agreement", _("an agreement")
    UNPAID = "unpaid", _("an unpaid invoice")
    ABUSE = "abuse", _("misuse")
    INCIDENT = "incident", _("an incident")
    TRIAL = "trial", _("a trial")
    OTHER = "other", _("something else, see the reference")


@transaction.atomic
def change_limits(
    customer: Customer, limits: Mapping[str, int | None], *, actor: audit.Person | str, reason: str, reference: str = ""
) -> bool:
    """Set the limits named in ``limits``; None gives the plan's back. Holds within ``API_KEY_CACHE_S``.

    False when nothing changes. Names are those of ``LIMITS``.
    """
    row = _locked(customer)
    changed = [name for name in LIMITS if name in limits and getattr(row, name) != limits[name]]
    if not changed:
        return False
    before = {name: getattr(row, name) for name in changed}
    for name in changed:
        setattr(row, name, limits[name])
    row.save(update_fields=changed)
    _record("limits-change", row, actor, before, {name: limits[name] for name in changed}, reason, reference)
    return True


@transaction.atomic
def move(
    customer: Customer, plan: Plan, *, actor: audit.Person | str, reason: str = Reason.OTHER, reference: str = ""
) -> bool:
    """Give a customer another plan, without a payment; False when they have it.

    Raises NotAllowed while they pay for a subscription: the provider's word would move them back.
    """
    row = _locked(customer)
    if row.plan_id == plan.pk:
        return False
    if is_subscribed(row):
        raise NotAllowed("subscribed")
    before: dict[str, audit.Value] = {"plan": Plan.objects.get(pk=row.plan_id).slug}
    row.plan = plan
    row.save(update_fields=["plan"])
    _record("plan-set", row, actor, before, {"plan": plan.slug}, reason, reference)
    return True


@transaction.atomic
def suspend(customer: Customer, *, actor: audit.Person | str, reason: str, reference: str = "") -> bool:
    """Refuse the customer's keys from now on, with a sentence that says why; False when they are refused already."""
    row = _locked(customer)
    changed = Customer.objects.filter(pk=row.pk, suspended_at=None).update(suspended_at=Now(), suspended_reason=reason)
    if changed:
        _record("suspension", row, actor, {"suspended": False}, {"suspended": True}, reason, reference)
    return bool(changed)


@transaction.atomic
def lift(
    customer: Customer, *, actor: audit.Person | str, reason: str, reference: str = "", only: str | None = None
) -> bool:
    """Let the customer's keys work again; False when they do, or were refused for another reason than ``only``."""
    row = _locked(customer)
    suspended = Customer.objects.filter(pk=row.pk, suspended_at__isnull=False)
    if only is not None:
        suspended = suspended.filter(suspended_reason=only)
    changed = suspended.update(suspended_at=None, suspended_reason="")
    if changed:
        _record("suspension", row, actor, {"suspended": True}, {"suspended": False}, reason, reference)
    return bool(changed)


def is_subscribed(customer: Customer) -> bool:
    """Whether the customer's plan is one they pay for, which only the payment provider's word changes."""
    return Subscription.objects.filter(customer=customer, status__in=Subscription.PAID_FOR).exists()


def _locked(customer: Customer) -> Customer:
    """Return the row under the lock that reserving and settling take too."""
    return Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)


def _record(
    act: str,
    row: Customer,
    actor: audit.Person | str,
    before: dict[str, audit.Value],
    after: dict[str, audit.Value],
    reason: str,
    reference: str,
) -> None:
    audit.record(
        f"billing.{act}",
        actor=actor,
        object_kind="customer",
        object_id=row.public_id,
        before=before,
        after=after,
        reason=str(reason),
        reference=reference or None,
    )
