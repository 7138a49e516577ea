"""Mail about a payment that failed: what it is about is looked up when it is sent."""

from typing import Any

from accounts import mailqueue
from accounts.models import User
from billing.models import Subscription
from billing.subscriptions import OVERDUE_MAIL, UNPAID_MAIL


def register() -> None:
    """Tell the mail queue. Called once, when the apps are ready."""
    mailqueue.template(OVERDUE_MAIL, lambda user, pk: _about(user, pk, Subscription.Status.PAST_DUE))
    mailqueue.template(UNPAID_MAIL, lambda user, pk: _about(user, pk, Subscription.Status.UNPAID))


def _about(user: User, pk: str, status: str) -> dict[str, Any] | None:
    """Return the plan's name; None when the payment was made meanwhile."""
    row = Subscription.objects.filter(pk=pk, customer__user=user, status=status).select_related("plan").first()
    return {"plan": row.plan.name} if row else None
