"""What this app holds about a person: the parts of their export, and what happens to it when their account is erased.

Keys and plan go with the account. Where there are invoices, the law wants them kept and explained: the customer stays
under its random id and without a person, with its invoices and the lines they are made of, until those are
``USAGE_KEPT_DAYS`` old. Without an invoice nothing stays.
"""

from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, Sum
from django.utils.translation import gettext_lazy as _

from accounts import export
from accounts.models import User
from accounts.signals import account_closing
from billing import subscriptions
from billing.models import ApiKey, Customer, Invoice, Quota, Subscription, UsageRecord

LAST_CALLS = 2_000


def register() -> None:
    """Tell the registries. Called once, when the apps are ready."""
    export.part("api-keys", api_keys, title=_("API keys, without the keys themselves"), labels=KEYS)
    export.part("api-usage", usage, title=_("Calls of the API"), labels=USAGE, words=USAGE_WORDS)
    export.part("plan", plan, title=_("Plan and limits"), labels=PLAN, words=dict(Subscription.Status.choices))
    export.part("invoices", invoices, title=_("Invoices"), labels=INVOICES)
    account_closing.connect(forget, dispatch_uid="billing.people")


KEYS = {
    "id": _("random id"),
    "name": _("name"),
    "begins_with": _("begins with"),
    "scopes": _("may be used for"),
    "models": _("models"),
    "addresses": _("addresses it may be used from"),
    "day_limit_microusd": _("most usage in a day"),
    "month_limit_microusd": _("most usage in a month"),
    "made": _("created"),
    "works_until": _("works until"),
    "revoked": _("revoked"),
    "last_used": _("last used"),
}
USAGE = {
    "days": _("by day"),
    "last_calls": _("the last calls"),
    "day": _("day it counts in (UTC)"),
    "calls": _("calls"),
    "request": _("request id"),
    "key": _("key"),
    "endpoint": _("endpoint"),
    "model": _("model"),
    "started": _("started"),
    "state": _("state"),
    "outcome": _("outcome"),
    "tokens_read": _("tokens read"),
    "tokens_written": _("tokens written"),
    "microusd": _("cost in millionths of a dollar"),
    "gpu_ms": _("GPU milliseconds"),
    "duration_ms": _("duration in ms"),
}
USAGE_WORDS = dict(UsageRecord.State.choices) | dict(UsageRecord.Outcome.choices)
PLAN = {
    "customer": _("random id"),
    "plan": _("plan"),
    "own_cap_microusd": _("own cap of a month"),
    "requests_per_minute": _("requests per minute"),
    "tokens_per_minute": _("tokens per minute"),
    "parallel_calls": _("calls at a time"),
    "day_gpu_s": _("most GPU seconds in a day"),
    "month_gpu_s": _("most GPU seconds in a month"),
    "suspended": _("suspended"),
    "since": _("created"),
    "customer_at_stripe": _("customer at Stripe"),
    "subscription": _("subscription at Stripe"),
    "status": _("status"),
    "paid_until": _("paid until"),
}
INVOICES = {
    "number": _("number"),
    "status": _("status"),
    "issued": _("issued"),
    "currency": _("currency"),
    "total_cents": _("total in cents"),
    "tax_cents": _("of it tax"),
    "page": _("page"),
}


def api_keys(user: User) -> list[dict[str, Any]]:
    """Return the keys of a person, oldest first; of each only what it begins with."""
    return [
        {
            "id": key.public_id,
            "name": key.name,
            "begins_with": key.prefix,
            "scopes": key.scopes,
            "models": key.allowed_models,
            "addresses": key.address_ranges,
            "day_limit_microusd": key.day_limit_microusd,
            "month_limit_microusd": key.month_limit_microusd,
            "made": key.created_at,
            "works_until": key.expires_at,
            "revoked": key.revoked_at,
            "last_used": key.last_used_at,
        }
        for key in ApiKey.objects.filter(customer__user=user).order_by("id")
    ]


def usage(user: User) -> dict[str, Any]:
    """Return every day of a person's calls by model, and the last calls one by one, oldest first.

    One by one they would be millions for somebody; the dashboard gives out the lines of any period.
    """
    lines = UsageRecord.objects.filter(customer__user=user)
    days = lines.values("day", "model").order_by("day", "model")
    sums = days.annotate(
        calls=Count("id"),
        tokens_read=Sum("prompt_tokens"),
        tokens_written=Sum("completion_tokens"),
        microusd=Sum("cost_microusd"),
        gpu_ms_all=Sum("gpu_ms"),
    )
    last = lines.select_related("key").order_by("-id")[:LAST_CALLS]
    return {
        "days": [{"gpu_ms" if name == "gpu_ms_all" else name: value for name, value in row.items()} for row in sums],
        "last_calls": [
            {
                "request": line.request_id,
                "key": line.key.prefix if line.key else None,
                "endpoint": line.endpoint,
                "model": line.model,
                "started": line.started_at,
                "state": line.state,
                "outcome": line.outcome,
                "tokens_read": line.prompt_tokens,
                "tokens_written": line.completion_tokens,
                "microusd": line.cost_microusd,
                "gpu_ms": line.gpu_ms,
                "duration_ms": line.duration_ms,
            }
            for line in reversed(last)
        ],
    }


def plan(user: User) -> dict[str, Any]:
    """Return what a customer may and has bought; empty for somebody who is none."""
    customer = Customer.objects.filter(user=user).select_related("plan").first()
    if customer is None:
        return {}
    bought = Subscription.objects.filter(customer=customer).first()
    return {
        "customer": customer.public_id,
        "plan": customer.plan.name,
        "own_cap_microusd": customer.month_limit_microusd,
        "requests_per_minute": customer.limit("requests_per_minute"),
        "tokens_per_minute": customer.limit("tokens_per_minute"),
        "parallel_calls": customer.limit("parallel_calls"),
        "day_gpu_s": customer.limit("day_gpu_s"),
        "month_gpu_s": customer.limit("month_gpu_s"),
        "suspended": customer.suspended_at,
        "since": customer.created_at,
        "customer_at_stripe": customer.stripe_customer_id,
        "subscription": bought.stripe_id if bought else None,
        "status": bought.status if bought else None,
        "paid_until": bought.period_end if bought else None,
    }


def invoices(user: User) -> list[dict[str, Any]]:
    """Return the invoices of a person, oldest first."""
    return [
        {
            "number": str(each),
            "status": each.status,
            "issued": each.issued_at,
            "currency": each.currency,
            "total_cents": each.total_cents,
            "tax_cents": each.tax_cents,
            "page": each.page_url,
        }
        for each in Invoice.objects.filter(customer__user=user).order_by("issued_at", "id")
    ]


def forget(sender: type[User], user: User, **_kwargs: object) -> dict[str, int]:
    """Delete a customer, or take the person and the keys off one whose invoices must stay. Returns the counts.

    The row is locked as by reserving and settling: a call that ends meanwhile is settled before or after, never half.
    However long a million lines take, it is one transaction with the account, so that nothing is left of half of it:
    meanwhile this customer's calls are *busy* (``billing_hold``), and nobody else's wait.
    """
    customer = Customer.objects.select_for_update().filter(user=user).first()
    if customer is None:
        return {}
    subscriptions.forget(customer)
    # Quotas name keys by number: without the key nobody could say what they counted.
    Quota.objects.filter(customer=customer).exclude(key=0).delete()
    counts = {"api_keys": ApiKey.objects.filter(customer=customer).delete()[1].get("billing.ApiKey", 0)}
    kept = Invoice.objects.filter(customer=customer).count()
    # What was bought may still be invoiced; ``tidy`` deletes the row once it is certain that it was not.
    if kept or Subscription.objects.filter(customer=customer).exists():
        Customer.objects.filter(pk=customer.pk).update(user=None)
        return counts | {"invoices_kept": kept}
    return counts | _delete(customer)


@transaction.atomic
def tidy() -> int:
    """Delete the customers without a person whom no invoice and no running subscription keeps. Returns how many."""
    over = Q(subscription=None) | Q(
        subscription__status__in=[Subscription.Status.CANCELED, Subscription.Status.INCOMPLETE_EXPIRED]
    )
    nameless = Customer.objects.filter(over, user=None).exclude(Exists(Invoice.objects.filter(customer=OuterRef("pk"))))
    found = list(Customer.objects.filter(pk__in=nameless.values("pk")).select_for_update().order_by("pk"))
    for customer in found:
        _delete(customer)
    return len(found)


def _delete(customer: Customer) -> dict[str, int]:
    calls, _by_model = UsageRecord.objects.filter(customer=customer).delete()
    customer.delete()
    return {"api_calls": calls, "customers": 1}
