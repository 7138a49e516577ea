"""The few acts of paying: each sends its person to the provider or back to the plan, with a sentence on what became."""

import logging
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from accounts.proof import fresh_proof_required
from billing import keys, stripe_client, subscriptions, webhooks
from billing.errors import BadWebhook, BillingError, NotAllowed, PaymentRefused, PaymentsAway, PaymentsOff
from billing.models import Customer, Plan
from billing.pages import person

logger = logging.getLogger(__name__)
SESSION = "{CHECKOUT_SESSION_ID}"  # the provider writes the checkout's id in its place
SESSION_CHARS = 120
REASONS: dict[str, Any] = {
    "not_for_sale": _("This plan cannot be bought now."),
    "subscribed": _("You have a plan already: change it instead of buying another one."),
    "not_subscribed": _("There is no plan to change: it has ended, or was never bought."),
    "suspended": _("Your account is suspended. Write to us."),
    "overdue": _("A payment is overdue. Pay it at the payment provider first."),
}
DECLINED = _("The payment did not go through, so nothing was changed. Check your card at the payment provider.")
WENT_WRONG = _("That did not work. Nothing was changed. Try again later, or write to us.")


def answering(act: Callable[[HttpRequest, Customer], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Run an act for the customer who is signed in; what stands in its way is a sentence on the page of the plan."""

    def answered(request: HttpRequest) -> HttpResponse:
        try:
            return act(request, keys.customer_of(person(request)))
        except PaymentsOff:
            messages.error(request, _("Payments are off on this site."))
        except NotAllowed as error:
            messages.error(request, REASONS.get(error.reason, WENT_WRONG))
        except PaymentRefused as error:
            logger.warning("the provider refused: %s", error.reason)
            messages.error(request, DECLINED if error.card else WENT_WRONG)
        except PaymentsAway as error:
            logger.warning("the provider is away: %s", error.reason)
            messages.error(request, _("The payment provider does not answer. Nothing was changed. Try again later."))
        except BillingError as error:
            logger.warning("not done: %s", error.code)
            messages.error(request, WENT_WRONG)
        return redirect("billing:plan")

    return answered


def _act(view: Callable[[HttpRequest, Customer], HttpResponse]) -> Callable[..., HttpResponse]:
    proven = fresh_proof_required(answering(view), back="billing:plan")
    return never_cache(require_POST(proven))


@_act
def checkout(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Send a buyer to the provider's page for the plan in ``plan``."""
    plan = _plan(request)
    back = request.build_absolute_uri(reverse("billing:plan"))
    returns = request.build_absolute_uri(reverse("billing:payment-return"))
    address = subscriptions.begin_checkout(
        customer, plan, success_url=f"{returns}?session={SESSION}", cancel_url=back, now=timezone.now()
    )
    return _to_provider(address)


@_act
def portal(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Send a customer to the provider's page for cards, addresses, tax ids and invoices."""
    back = request.build_absolute_uri(reverse("billing:plan"))
    return _to_provider(subscriptions.begin_portal(customer, return_url=back))


@_act
def plan_change(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Move to the plan in ``plan``: at once to a larger one, at the end of the month to a smaller one."""
    plan = _plan(request)
    subscriptions.change_plan(customer, plan)
    held = subscriptions.running(customer)
    if held is not None and held.plan == plan:
        messages.success(request, _("Your plan is %(plan)s now.") % {"plan": plan.name})
    else:
        messages.success(request, _("Your plan changes when the paid month ends."))
    return redirect("billing:plan")


@_act
def plan_cancel(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Let the plan end when the paid month does."""
    subscriptions.cancel(customer)
    messages.success(request, _("Your plan ends when the paid month does. Until then nothing changes."))
    return redirect("billing:plan")


@_act
def plan_resume(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Let a plan that was to end, or to change, go on."""
    subscriptions.resume(customer)
    messages.success(request, _("Your plan goes on as it is."))
    return redirect("billing:plan")


@never_cache
@login_required
@require_GET
def payment_return(request: HttpRequest) -> HttpResponse:
    """Take a buyer who comes back from the provider; what was bought is asked there, not read from the address."""
    return answering(_returned)(request)


def _returned(request: HttpRequest, customer: Customer) -> HttpResponse:
    session_id = request.GET.get("session", "")[:SESSION_CHARS]
    if session_id:
        subscriptions.finish_checkout(customer, session_id)
    held = subscriptions.running(customer)
    if held is not None and held.status in held.PAID_FOR:
        messages.success(request, _("Thank you. Your plan is active."))
    else:
        messages.info(request, _("The payment is not confirmed yet. This page says so as soon as it is."))
    return redirect("billing:plan")


def _plan(request: HttpRequest) -> Plan:
    return get_object_or_404(Plan, slug=request.POST.get("plan", ""))


def _to_provider(address: str) -> HttpResponse:
    response = HttpResponseRedirect(address)
    response.status_code = 303
    return response


@csrf_exempt
@require_POST
def webhook(request: HttpRequest) -> HttpResponse:
    """Take a message of the provider. 200 once its effect is committed, 400 for one that is not genuine or too old.

    503 asks it to come again. The size is limited before Django reads a byte (``siteproject.body``).
    """
    if not stripe_client.enabled():
        raise Http404
    try:
        state = webhooks.receive(request.body, request.headers.get("Stripe-Signature", ""))
    except BadWebhook as error:
        logger.warning("message refused: %s", error)
        return JsonResponse({"error": {"code": error.code, "message": "Not signed by the provider."}}, status=400)
    except PaymentsAway as error:
        answer = JsonResponse({"error": {"code": error.code, "message": "Send it again."}}, status=503)
        answer["Retry-After"] = "30"
        return answer
    return JsonResponse({"state": state})
