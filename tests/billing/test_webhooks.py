"""Messages of the payment provider: signed, once each, in any order, again when we were away."""

import json
from typing import Any

import stripe
from django.test import Client

from billing import stripe_client, subscriptions, webhooks
from billing.models import Customer, StripeEvent
from tests.billing.buying import Buyer, tell
from tests.payments.stand_in import Payments

State = StripeEvent.State


def posted(payments: Payments, message: dict[str, Any], **how: Any) -> int:
    """Send a message as the provider does, and return the status of the answer."""
    body, signature = payments.signed(message, **how)
    return sent(body, signature)


def sent(body: bytes, signature: str) -> int:
    answer = Client(enforce_csrf_checks=True).post(
        "/api/stripe/webhook", body, content_type="application/json", headers={"Stripe-Signature": signature}
    )
    return answer.status_code


def test_a_message_that_comes_twenty_times_has_one_effect(payments: Payments, buyer: Buyer) -> None:
    (message, *_others) = payments.play("payment_failed", subscription=buyer.subscription.stripe_id)

    statuses = {posted(payments, message) for _ in range(20)}

    row = StripeEvent.objects.get(event_id=message["id"])
    assert statuses == {200}
    assert (row.state, row.tries) == (State.APPLIED, 1)
    assert buyer.subscription.status == "past_due" and buyer.customer.invoices.filter(status="open").count() == 1


def test_in_whatever_order_messages_come_the_newest_state_holds(payments: Payments, buyer: Buyer) -> None:
    subscription = buyer.subscription.stripe_id
    told = [
        message
        for name in ("payment_failed", "recovered", "cancelled")
        for message in payments.play(name, subscription=subscription)
    ]

    states = tell(payments, *reversed(told))

    assert set(states) == {State.APPLIED}
    assert (buyer.subscription.status, buyer.plan) == ("canceled", "free")
    assert buyer.customer.invoices.filter(status="open").count() == 0


def test_a_reading_that_began_earlier_never_overwrites_one_that_began_later(payments: Payments, buyer: Buyer) -> None:
    older = stripe_client.read_subscription(buyer.subscription.stripe_id)
    buyer.hears(payments, "cancelled")

    applied = subscriptions.apply(older)

    assert not applied and buyer.subscription.status == "canceled"


def test_what_is_not_genuine_is_refused_and_leaves_nothing(payments: Payments) -> None:
    (message,) = payments.play("unknown")
    body, signature = payments.signed(message)
    other = stripe.WebhookSignature.generate_signature_header(body.decode(), "whsec_other")

    refused = {
        "changed": sent(body.replace(b"something", b"anything!"), signature),
        "another secret": sent(body, other),
        "six minutes old": sent(*payments.signed(message, age_s=360)),
        "not signed": sent(body, ""),
        "no signature": sent(body, "t=1,v1"),
        "no text": sent(b"\xff\xfe", signature),
        "no JSON": sent(*signed_text(payments, "{")),
        "no event": sent(*signed_text(payments, "[]")),
    }

    assert refused == dict.fromkeys(refused, 400)
    assert not StripeEvent.objects.exists()


def signed_text(payments: Payments, text: str) -> tuple[bytes, str]:
    return text.encode(), stripe.WebhookSignature.generate_signature_header(text, payments.secret)


def test_while_a_secret_is_replaced_both_are_good(payments: Payments, settings: Any) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", payments.secret]
    (message,) = payments.play("unknown")

    assert posted(payments, message) == 200


def test_what_nobody_here_has_heard_of_is_taken_and_left_alone(payments: Payments) -> None:
    (message,) = payments.play("unknown")

    assert posted(payments, message) == 200
    assert StripeEvent.objects.get(event_id=message["id"]).state == State.IGNORED
    assert not payments.calls("invoices/obj_test_1")


def test_a_customer_of_somebody_else_on_the_same_account_is_left_alone(payments: Payments, buyer: Buyer) -> None:
    Customer.objects.filter(pk=buyer.pk).update(stripe_customer_id="cus_other")
    messages = payments.play("cancelled", subscription=buyer.subscription.stripe_id)

    assert tell(payments, *messages) == [State.IGNORED]
    assert buyer.subscription.status == "active"


def test_while_the_provider_is_away_a_message_is_asked_to_come_again(payments: Payments, buyer: Buyer) -> None:
    (message,) = payments.play("cancelled", subscription=buyer.subscription.stripe_id)
    payments.stand_in.calls.away = 3  # the first try and the two that the SDK adds

    assert posted(payments, message) == 503
    row = StripeEvent.objects.get(event_id=message["id"])
    assert (row.state, row.problem) == (State.FAILED, "status_500")
    assert buyer.subscription.status == "active"

    assert posted(payments, message) == 200
    row.refresh_from_db()
    assert (row.state, row.tries, row.problem) == (State.APPLIED, 2, "")
    assert buyer.plan == "free"


def test_staff_replay_a_message_once_what_was_wrong_is_put_right(payments: Payments, buyer: Buyer) -> None:
    price = buyer.subscription.plan.stripe_price_id
    for each in payments.all("prices"):
        each["metadata"] = {}
    type(buyer.subscription.plan).objects.update(stripe_price_id="")
    (message,) = payments.play("upgraded", subscription=buyer.subscription.stripe_id, prices=[price])

    assert posted(payments, message) == 200  # asking again would change nothing
    row = StripeEvent.objects.get(event_id=message["id"])
    assert (row.state, row.problem) == (State.FAILED, "unknown_price")

    type(buyer.subscription.plan).objects.filter(slug="build").update(stripe_price_id=price)
    assert webhooks.replay(row) == State.APPLIED
    row.refresh_from_db()
    assert (row.state, row.problem) == (State.APPLIED, "")


def test_a_plan_bought_twice_is_for_staff_to_sort_out(payments: Payments, buyer: Buyer) -> None:
    first, again = buyer.subscription.stripe_id, payments.all("sessions")[0]
    payments.stand_in.calls.objects.add("sessions", {**again, "id": "cs_test_second", "status": "open"})

    states = tell(payments, *payments.play("bought", session="cs_test_second"))

    assert buyer.subscription.stripe_id == first
    assert State.FAILED in states
    assert StripeEvent.objects.filter(state=State.FAILED, problem="second_subscription").exists()


def test_nothing_of_a_message_is_believed_or_kept_but_ids(payments: Payments, buyer: Buyer) -> None:
    prices = [buyer.subscription.plan.stripe_price_id]
    (message,) = payments.play("upgraded", subscription=buyer.subscription.stripe_id, prices=prices)
    message["data"]["object"] |= {"status": "canceled", "description": "canary-text"}

    assert tell(payments, message) == [State.APPLIED]

    assert buyer.subscription.status == "active"
    assert "canary" not in json.dumps(list(StripeEvent.objects.values("event_id", "kind", "object_id", "problem")))
