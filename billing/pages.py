"""What every page of the API in an account shows: where it stands, and what the customer has to know first."""

from typing import Any, cast

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing import stripe_client
from billing.models import Customer, Subscription

PAGES = (
    ("overview", _("Overview")),
    ("keys", _("Keys")),
    ("usage", _("Usage")),
    ("limits", _("Limits")),
    ("plan", _("Plan and invoices")),
)
# The provider waits for a payment, and what it waits for can be done at its own pages.
OWING = (Subscription.Status.PAST_DUE, Subscription.Status.UNPAID, Subscription.Status.INCOMPLETE)


def person(request: HttpRequest) -> User:
    return cast("User", request.user)  # every page here asks for a sign-in first


def page(
    request: HttpRequest, template: str, *, here: str, customer: Customer, status: int = 200, **context: Any
) -> HttpResponse:
    """Return a page of the dashboard. ``here`` is which of ``PAGES`` it belongs to."""
    subscription = subscription_of(customer)
    shared = {
        "api_pages": [(name, title, reverse(f"billing:{name}")) for name, title in PAGES],
        "here": here,
        "customer": customer,
        "subscription": subscription,
        "owing": subscription is not None and subscription.status in OWING,
        "payments_on": stripe_client.enabled(),
    }
    return render(request, f"billing/{template}.html", shared | context, status=status)


def subscription_of(customer: Customer) -> Subscription | None:
    return getattr(customer, "subscription", None)


def posted(request: HttpRequest) -> QueryDict | None:
    """Return what a form sent, None when the page is only looked at."""
    return request.POST if request.method == "POST" else None
