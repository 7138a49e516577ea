"""The seam to Stripe: what is sold there, errors in our words, and a stand-in that refuses what Stripe would."""

from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command

from billing import stripe_calls, stripe_client
from billing.errors import PaymentRefused, PaymentsAway, PaymentsOff
from billing.models import Customer, Plan
from tests.billing.buying import Buyer, plan
from tests.payments.stand_in import Payments


def test_putting_plans_on_sale_twice_makes_nothing_new(payments: Payments, capsys: pytest.CaptureFixture[str]) -> None:
    payments.reset()

    call_command("stripe_setup", "--webhook")
    first, ids = capsys.readouterr().out.splitlines(), list(Plan.objects.values_list("stripe_price_id", flat=True))
    call_command("stripe_setup", "--webhook")
    again = capsys.readouterr().out.splitlines()

    assert first[-1] == payments.secret and all(line.endswith(("made", "once:")) for line in first[:-1])
    assert len(again) == len(first) - 1 and all(": there" in line for line in again)
    assert list(Plan.objects.values_list("stripe_price_id", flat=True)) == ids
    assert [len(payments.all(kind)) for kind in ("meters", "products", "prices", "endpoints")] == [1, 2, 4, 1]
    assert payments.problems() == []


def test_a_new_price_takes_over_the_name_and_leaves_those_who_bought_at_the_old_one(
    payments: Payments, buyer: Buyer, capsys: pytest.CaptureFixture[str]
) -> None:
    old = plan("build").stripe_price_id
    Plan.objects.filter(slug="build").update(month_cents=1_200)

    call_command("stripe_setup")

    assert "price wagmi_build_month: a new one" in capsys.readouterr().out
    prices = {each["id"]: each for each in payments.all("prices")}
    new = prices[plan("build").stripe_price_id]
    assert (new["unit_amount"], new["active"], prices[old]["active"]) == (1_200, True, False)
    buyer.hears(payments, "month_ended")  # still at the old price, which names its plan
    assert buyer.plan == "build" and buyer.subscription.plan == plan("build")


def test_without_a_key_nothing_is_put_on_sale(settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = ""

    with pytest.raises(CommandError, match="payments are off"):
        call_command("stripe_setup")
    with pytest.raises(PaymentsOff), stripe_client.provider():
        pass


def test_what_the_provider_says_becomes_our_errors(payments: Payments, carol: Customer, settings: Any) -> None:
    with pytest.raises(PaymentRefused) as refused:
        stripe_client.read_subscription("sub_nobody")
    assert refused.value.reason == "resource_missing"

    payments.stand_in.calls.away = 3
    with pytest.raises(PaymentsAway) as away:
        stripe_calls.make_customer(carol)
    assert not isinstance(away.value, PaymentRefused) and away.value.reason == "status_500"
    keys = {each["key"] for each in payments.calls("customers")}
    assert len(payments.calls("customers")) == 3 and len(keys) == 1  # tried again, and made once at most

    settings.STRIPE_SECRET_KEY = "sk_test_wrong"
    with pytest.raises(PaymentsAway, match="AuthenticationError"):
        stripe_calls.meter_id()
    settings.STRIPE_API_URL = "http://127.0.0.1:9"
    with pytest.raises(PaymentsAway, match="APIConnectionError"):
        stripe_calls.meter_id()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "Carol", "favourite_colour": "red"}, "favourite_colour: unknown"),
        ({"tax_exempt": "perhaps"}, "tax_exempt: not one of"),
        ({"address[street]": "High Street"}, "address[street]: unknown"),
        ({"balance": "much"}, "balance: not"),
        ({"preferred_locales": "en"}, "preferred_locales: no list"),
        ({"tax_id_data[0][type]": "ch_vat"}, "tax_id_data[0][value]: missing"),
    ],
)
def test_the_stand_in_refuses_parameters_that_the_sdk_does_not_know(
    payment_server: Payments, fields: dict[str, str], problem: str
) -> None:
    payment_server.reset()

    answer = asked(payment_server, fields)

    assert answer.status_code == 400 and problem in answer.json()["error"]["message"]


def test_the_stand_in_keeps_to_one_version_and_one_answer_for_a_key(payment_server: Payments) -> None:
    payment_server.reset()

    assert "version 2020-08-27" in asked(payment_server, {}, **{"Stripe-Version": "2020-08-27"}).text
    assert "no idempotency key" in asked(payment_server, {}, **{"Idempotency-Key": ""}).text
    assert asked(payment_server, {}, Authorization="Bearer sk_test_other").status_code == 401
    first, again = (asked(payment_server, {"name": "Carol"}) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert asked(payment_server, {"name": "Bob"}).json()["error"]["type"] == "idempotency_error"


def asked(payments: Payments, fields: dict[str, str], **headers: str) -> httpx.Response:
    """Make a customer at the stand-in without the SDK."""
    told = {
        "Authorization": f"Bearer {payments.stand_in.key}",
        "Stripe-Version": stripe_client.API_VERSION,
        "Idempotency-Key": "one",
    }
    return httpx.post(f"{payments.stand_in.address}/v1/customers", data=fields, headers=told | headers)


@pytest.mark.parametrize(
    ("key", "host", "status"),
    [("ours", "", 200), ("", "", 401), ("sk_test_other", "", 401), ("ours", "shop.example.org", 403)],
)
def test_the_stand_in_lets_things_happen_only_for_who_knows_its_key_and_its_address(
    payments: Payments, key: str, host: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {payments.stand_in.key if key == 'ours' else key}"} if key else {}
    if host:
        headers["Host"] = host

    answer = httpx.post(f"{payments.stand_in.address}/control/away", json={"calls": 0}, headers=headers)

    assert answer.status_code == status
