"""Plans bought, changed, ended and not paid for, at a stand-in that checks every call by the SDK's own types."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import QueuedMail
from billing import quotas, removals, subscriptions
from billing.errors import NotAllowed, PaymentRefused, PaymentsOff
from billing.models import Customer, CustomerRemoval, Invoice, Plan
from tests.billing.buying import Buyer, plan, tell
from tests.payments.stand_in import Payments
from tests.signed_in import sign_in


@pytest.fixture(autouse=True)
def every_call_is_one_that_the_sdk_knows(payments: Payments) -> Iterator[None]:
    yield
    assert payments.problems() == []


def browser(customer: Customer, *methods: str) -> Client:
    """A browser in which a customer is signed in, with a fresh proof."""
    client = Client()
    assert customer.user is not None
    sign_in(client, customer.user, *(methods or ("code",)))
    return client


def said(answer: Any) -> str:
    return " ".join(str(each) for each in get_messages(answer.wsgi_request))


def test_a_plan_is_bought_with_its_month_its_usage_and_its_tax(payments: Payments, carol: Customer) -> None:
    client = browser(carol)

    answer = client.post(reverse("billing:checkout"), {"plan": "build"})

    (call,) = payments.calls("checkout/sessions")
    build = plan("build")
    assert answer.status_code == 303 and answer["Location"].startswith(f"{payments.stand_in.address}/checkout/")
    assert call["params"]["line_items"] == [
        {"price": build.stripe_price_id, "quantity": "1"},
        {"price": build.stripe_usage_price_id},
    ]
    assert call["params"]["automatic_tax"] == {"enabled": "true"}
    assert call["params"]["tax_id_collection"] == {"enabled": "true"}
    assert call["params"]["customer_update"] == {"address": "auto", "name": "auto"}
    assert call["params"]["billing_address_collection"] == "required"
    assert call["params"]["locale"] == "en" and call["key"]

    session = payments.all("sessions")[0]
    payments.play("bought", session=session["id"])
    back = client.get(reverse("billing:payment-return"), {"session": session["id"]})

    # The buyer is back before any message: what was bought is asked for, and holds.
    assert back["Location"] == reverse("billing:plan") and "active" in said(back)
    carol.refresh_from_db()
    assert carol.plan.slug == "build" and carol.subscription.status == "active"


def test_two_clicks_open_one_page_to_pay_on(payments: Payments, carol: Customer) -> None:
    now, urls = timezone.now(), {"success_url": "http://localhost/", "cancel_url": "http://localhost/"}

    addresses = {subscriptions.begin_checkout(carol, plan("build"), now=now, **urls) for _ in range(2)}
    fresh = Customer.objects.select_related("user").get(pk=carol.pk)
    addresses.add(subscriptions.begin_checkout(fresh, plan("build"), now=now, **urls))

    assert len(addresses) == 1 and len(payments.all("customers")) == 1 and len(payments.all("sessions")) == 1


def test_what_cannot_be_bought_is_said(payments: Payments, buyer: Buyer) -> None:
    client = browser(buyer.customer)
    calls = len(payments.calls())

    assert "already" in said(client.post(reverse("billing:checkout"), {"plan": "scale"}))
    assert "cannot be bought" in said(client.post(reverse("billing:checkout"), {"plan": "free"}))
    assert client.post(reverse("billing:checkout"), {"plan": "no-plan"}).status_code == 404
    assert client.get(reverse("billing:checkout")).status_code == 405
    assert len(payments.calls()) == calls


def test_paying_asks_who_it_is(payments: Payments, buyer: Buyer) -> None:
    stale = Client()
    assert buyer.customer.user is not None
    sign_in(stale, buyer.customer.user, "code", at=0.0)
    names = ("checkout", "portal", "plan-change", "plan-cancel", "plan-resume")

    for client, place in ((Client(), "/accounts/enter/"), (stale, "/accounts/proof/")):
        sent_to = {client.post(reverse(f"billing:{name}"))["Location"].partition("?")[0] for name in names}
        assert sent_to == {place}


def test_another_customers_checkout_gives_nothing(payments: Payments, buyer: Buyer) -> None:
    other = Buyer.new("bob@example.org")
    session = payments.all("sessions")[0]["id"]

    browser(other.customer).get(reverse("billing:payment-return"), {"session": session})

    assert other.plan == "free"


def test_a_larger_plan_holds_at_once_and_a_smaller_one_when_the_month_ends(payments: Payments, buyer: Buyer) -> None:
    client = browser(buyer.customer)

    client.post(reverse("billing:plan-change"), {"plan": "scale"})
    assert (buyer.plan, buyer.subscription.next_plan) == ("scale", None)
    change = payments.calls(f"subscriptions/{buyer.subscription.stripe_id}")[-2]["params"]
    assert change["proration_behavior"] == "always_invoice" and change["payment_behavior"] == "error_if_incomplete"
    assert len(change["items"]) == 2 and all("id" in item for item in change["items"])

    client.post(reverse("billing:plan-change"), {"plan": "build"})
    assert (buyer.plan, buyer.subscription.next_plan) == ("scale", plan("build"))
    (schedule,) = payments.all("schedules")
    assert schedule["phases"][0]["end_date"] == schedule["phases"][1]["start_date"]

    buyer.hears(payments, "month_ended")
    assert (buyer.plan, buyer.subscription.next_plan) == ("build", None)


def test_a_move_to_a_smaller_plan_can_be_undone(payments: Payments, buyer: Buyer) -> None:
    client = browser(buyer.customer)
    client.post(reverse("billing:plan-change"), {"plan": "scale"})
    client.post(reverse("billing:plan-change"), {"plan": "build"})

    client.post(reverse("billing:plan-resume"))

    assert (buyer.plan, buyer.subscription.next_plan, buyer.subscription.schedule_id) == ("scale", None, "")
    buyer.hears(payments, "month_ended")
    assert buyer.plan == "scale"


def test_a_cancelled_plan_runs_to_the_end_of_the_month_and_can_be_kept(payments: Payments, buyer: Buyer) -> None:
    client = browser(buyer.customer)

    client.post(reverse("billing:plan-cancel"))
    assert buyer.plan == "build" and buyer.subscription.cancel_at_period_end
    client.post(reverse("billing:plan-resume"))
    assert not buyer.subscription.cancel_at_period_end
    client.post(reverse("billing:plan-change"), {"plan": "free"})  # the free plan is the end of the paid one
    assert buyer.subscription.cancel_at_period_end

    buyer.hears(payments, "month_ended")
    assert (buyer.plan, buyer.subscription.status) == ("free", "canceled")
    buyer.buys(payments, "scale")
    assert (buyer.plan, buyer.subscription.status) == ("scale", "active")


def test_a_larger_plan_that_is_not_paid_changes_nothing(payments: Payments, buyer: Buyer) -> None:
    payments.stand_in.calls.declined = True

    answer = browser(buyer.customer).post(reverse("billing:plan-change"), {"plan": "scale"})

    assert "did not go through" in said(answer) and buyer.plan == "build"
    with pytest.raises(PaymentRefused) as refused:
        subscriptions.change_plan(buyer.customer, plan("scale"))
    assert refused.value.reason == "card_declined"


def test_the_provider_away_is_said_and_changes_nothing(payments: Payments, buyer: Buyer) -> None:
    payments.stand_in.calls.away = 3

    answer = browser(buyer.customer).post(reverse("billing:plan-cancel"))

    assert "does not answer" in said(answer) and not buyer.subscription.cancel_at_period_end


def test_an_overdue_payment_keeps_the_plan_an_unpaid_one_stops_the_keys_and_paying_starts_them_again(
    payments: Payments, buyer: Buyer
) -> None:
    buyer.hears(payments, "payment_failed")
    assert (buyer.plan, buyer.subscription.status, buyer.customer.suspended_at) == ("build", "past_due", None)
    with pytest.raises(NotAllowed, match="overdue"):
        subscriptions.change_plan(buyer.customer, plan("scale"))

    buyer.hears(payments, "unpaid")
    assert buyer.customer.suspended_at is not None and buyer.customer.suspended_reason == "unpaid"
    assert list(QueuedMail.objects.order_by("id").values_list("template", flat=True)) == [
        "payment-overdue",
        "payment-unpaid",
    ]

    buyer.hears(payments, "recovered")
    assert (buyer.plan, buyer.subscription.status, buyer.customer.suspended_at) == ("build", "active", None)


def test_paying_does_not_lift_what_staff_have_suspended(payments: Payments, buyer: Buyer) -> None:
    quotas.suspend(buyer.customer, actor="operator", reason=quotas.Reason.ABUSE)

    buyer.hears(payments, "payment_failed")
    buyer.hears(payments, "unpaid")
    buyer.hears(payments, "recovered")

    assert buyer.customer.suspended_reason == quotas.Reason.ABUSE
    with pytest.raises(NotAllowed):
        subscriptions.begin_checkout(
            Buyer.new("bob@example.org").customer, plan("free"), success_url="", cancel_url="", now=timezone.now()
        )


def test_a_subscription_that_ended_unpaid_stays_suspended_until_the_invoice_is_paid(
    payments: Payments, buyer: Buyer
) -> None:
    buyer.hears(payments, "payment_failed")
    buyer.hears(payments, "unpaid")
    buyer.hears(payments, "cancelled")
    assert buyer.plan == "free" and buyer.customer.suspended_at is not None

    owed = next(each for each in payments.all("invoices") if each["status"] == "open")
    owed["status"] = "paid"
    subscriptions.apply_invoice(subscriptions.stripe_client.read_invoice(owed["id"]))

    assert buyer.customer.suspended_at is None


def test_what_is_owed_may_be_heard_of_after_the_end_and_still_keeps_the_customer_suspended(
    payments: Payments, buyer: Buyer
) -> None:
    # given a subscription that is unpaid and over, of whose open invoice no message has come
    held = buyer.subscription.stripe_id
    payments.play("payment_failed", subscription=held)
    owed = next(each for each in payments.all("invoices") if each["status"] == "open")
    buyer.hears(payments, "unpaid")
    tell(payments, *payments.play("cancelled", subscription=held))
    assert buyer.plan == "free" and buyer.customer.suspended_at is not None

    # when the messages of the invoices come: an old one again, that of the owed one, and the one of its payment
    old = next(each for each in payments.all("invoices") if each["status"] == "paid")
    subscriptions.apply_invoice(subscriptions.stripe_client.read_invoice(old["id"]))
    assert buyer.customer.suspended_at is not None
    subscriptions.apply_invoice(subscriptions.stripe_client.read_invoice(owed["id"]))
    assert buyer.customer.suspended_at is not None
    owed["status"] = "paid"
    subscriptions.apply_invoice(subscriptions.stripe_client.read_invoice(owed["id"]))

    # then paying lifts it
    assert buyer.customer.suspended_at is None


@pytest.mark.parametrize("word", ["paid", "void"])
def test_a_debt_that_is_settled_before_the_end_is_heard_of_lifts_the_suspension(
    payments: Payments, buyer: Buyer, word: str
) -> None:
    buyer.hears(payments, "payment_failed")
    buyer.hears(payments, "unpaid")
    owed = next(each for each in payments.all("invoices") if each["status"] == "open")
    owed["status"] = word
    subscriptions.apply_invoice(subscriptions.stripe_client.read_invoice(owed["id"]))
    assert buyer.customer.suspended_at is not None  # its subscription is unpaid still

    buyer.hears(payments, "cancelled")

    assert buyer.customer.suspended_at is None


def test_a_message_about_an_ended_subscription_does_not_take_what_staff_gave_since(
    payments: Payments, buyer: Buyer
) -> None:
    buyer.hears(payments, "cancelled")
    quotas.move(buyer.customer, plan("scale"), actor="operator")

    subscriptions.apply(subscriptions.stripe_client.read_subscription(buyer.subscription.stripe_id))

    assert buyer.plan == "scale"


def test_invoices_are_kept_as_the_provider_wrote_them(payments: Payments, buyer: Buyer) -> None:
    (written,) = payments.all("invoices")

    (kept,) = buyer.customer.invoices.all()

    assert (kept.number, kept.status, kept.total_cents, kept.currency) == (written["number"], "paid", 900, "usd")


def test_a_lost_message_is_made_good_by_reading_everything_again(payments: Payments, buyer: Buyer) -> None:
    payments.play("cancelled", subscription=buyer.subscription.stripe_id)

    assert subscriptions.refresh_all() == 1
    assert buyer.plan == "free"


def test_a_customer_who_was_erased_goes_at_the_provider_too(payments: Payments, buyer: Buyer) -> None:
    customer, soon = buyer.customer, timezone.now() - datetime.timedelta(seconds=1)
    subscriptions.forget(customer)
    subscriptions.forget(customer)
    payments.stand_in.calls.away = 3

    assert removals.work_off() == 0  # the provider is away: it waits
    waiting = CustomerRemoval.objects.get()
    assert (waiting.state, waiting.problem) == ("requested", "status_500") and waiting.due_at > timezone.now()

    CustomerRemoval.objects.update(due_at=soon)
    assert removals.work_off() == 1
    (ended,) = payments.calls(f"subscriptions/{buyer.subscription.stripe_id}")[-2:-1]
    assert ended["method"] == "DELETE" and ended["params"]["invoice_now"] == "true"
    assert buyer.subscription.status == "canceled" and len(payments.all("customers")) == 1

    assert removals.work_off() == 0  # its last invoice has to be written first
    CustomerRemoval.objects.update(due_at=soon)
    assert removals.work_off() == 1
    assert payments.all("customers") == [] and CustomerRemoval.objects.get().state == "done"
    assert Invoice.objects.filter(customer=customer).exists()


def test_without_a_key_payments_are_off_and_everything_else_works(payments: Payments, settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = ""
    carol = Buyer.new("carol@example.org").customer
    client = browser(carol)

    answers = [client.post(reverse(f"billing:{name}"), {"plan": "build"}) for name in ("checkout", "portal")]

    assert all("Payments are off" in said(answer) for answer in answers)
    assert client.post("/api/stripe/webhook", b"{}", content_type="application/json").status_code == 404
    assert client.get(reverse("billing:plan")).status_code == 200
    with pytest.raises(PaymentsOff):
        subscriptions.begin_checkout(carol, plan("build"), success_url="", cancel_url="", now=timezone.now())
    assert removals.work_off() == 0 and Plan.objects.offered().count() == 3
    assert payments.calls() == []
