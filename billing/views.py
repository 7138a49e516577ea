"""The customer's dashboard: overview, limits, plan. Keys are in ``key_views``, usage in ``usage_views``.

Plain pages and forms in the layout of the account; nothing here needs script.
"""

import datetime

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from accounts.pages import account_page
from accounts.proof import fresh_proof_required
from billing import keys, limits, usage
from billing.access import customer_for
from billing.forms import CapForm
from billing.models import ApiKey, Invoice, Plan
from billing.pages import page, person, posted, subscription_of
from billing.subscriptions import OVER

INVOICES_SHOWN = 60


@require_GET
@account_page
def overview(request: HttpRequest) -> HttpResponse:
    """Where a customer stands: plan, the month against its limit, the day so far, what to do next."""
    customer = customer_for(person(request))
    now = timezone.now()
    return page(
        request,
        "overview",
        here="overview",
        customer=customer,
        limits=limits.of_account(customer, now),
        today=usage.today(customer.pk, now.astimezone(datetime.UTC).date()),
        working_keys=ApiKey.objects.working().filter(customer_id=customer.pk).count(),
    )


@require_GET
@account_page
def limit_list(request: HttpRequest) -> HttpResponse:
    """What is left of each limit, of the account and of each key, and when it begins anew."""
    customer = customer_for(person(request))
    now = timezone.now()
    working = list(ApiKey.objects.working().filter(customer_id=customer.pk))
    account, *of_keys = limits.rates(customer, working, now)
    return page(
        request,
        "limits",
        here="limits",
        customer=customer,
        limits=limits.of_account(customer, now),
        key_limits=limits.of_keys(customer, working, now),
        rate=account,
        key_rates=of_keys,
        now=now,
    )


@require_http_methods(["GET", "POST"])
@account_page
@fresh_proof_required
def cap_change(request: HttpRequest) -> HttpResponse:
    """Take a customer's own cap of a month."""
    customer = customer_for(person(request))
    form = CapForm(posted(request), customer=customer)
    if request.method == "POST" and form.is_valid():
        limits.set_cap(keys.customer_of(person(request)), form.cleaned_data["cap"], actor=person(request))
        messages.success(request, _("Your cap is set. It holds from the next call on."))
        return redirect("billing:limits")
    status = 422 if form.is_bound else 200
    return page(request, "cap", here="limits", customer=customer, form=form, status=status)


@require_GET
@account_page
def plan(request: HttpRequest) -> HttpResponse:
    """The plans on offer, the one that holds, and the invoices."""
    customer = customer_for(person(request))
    subscription = subscription_of(customer)
    offered = list(Plan.objects.offered())
    if customer.plan not in offered:
        offered.insert(0, customer.plan)
    language = get_language() or "en"
    return page(
        request,
        "plan",
        here="plan",
        customer=customer,
        running=subscription is not None and subscription.status not in OVER,
        plans=[(each, each.summary_in(language)) for each in offered],
        invoices=Invoice.objects.filter(customer_id=customer.pk)[:INVOICES_SHOWN],
    )
