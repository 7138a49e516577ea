"""What the provider is told of what was used: each hour once, to the millionth of a dollar."""

import dataclasses
import datetime
from typing import Any

from django.utils import timezone

from billing import metering, prices, stripe_catalogue, stripe_client, subscriptions
from billing.models import ApiKey, MeterSend, ModelPrice, Plan, Subscription, UsageRecord
from tests.billing import rows
from tests.billing.buying import Buyer, plan
from tests.payments.stand_in import Payments

HOUR, MINUTE = datetime.timedelta(hours=1), datetime.timedelta(minutes=1)
NOW = timezone.now().astimezone(datetime.UTC).replace(minute=0, second=0, microsecond=0)


def metered(buyer: Buyer, *, since: datetime.datetime = NOW - 6 * HOUR) -> ApiKey:
    """Let the subscription have begun some hours ago, and return a key."""
    Subscription.objects.filter(customer=buyer.pk).update(started_at=since, metered_until=since)
    return rows.key_of(buyer.customer)


def used(key: ApiKey, microusd: int, settled: datetime.datetime, **facts: Any) -> UsageRecord:
    line = rows.call(key, settled.date(), cost_microusd=microusd, settled_at=settled, **facts)
    line.save()
    return line


def sums() -> dict[datetime.datetime, int]:
    return dict(MeterSend.objects.order_by("until").values_list("until", "microusd"))


def told(payments: Payments) -> list[tuple[str, int]]:
    """Return what the meter has: identifiers and values, after checking whom and when each names."""
    events = payments.all("meter_events")
    assert {each["event_name"] for each in events} <= {"wagmi_usage_microusd"}
    return [(each["identifier"], int(each["payload"]["value"])) for each in events]


def test_an_hour_is_summed_once_it_is_over_and_told_once(payments: Payments, buyer: Buyer) -> None:
    key = metered(buyer)
    used(key, 700, NOW - 2 * HOUR)
    used(key, 35, NOW - HOUR - MINUTE)
    used(key, 9, NOW - MINUTE)

    assert metering.close_hours(NOW + 4 * MINUTE) == 1  # the last hour may still have a settlement under way
    assert metering.close_hours(NOW + 5 * MINUTE) == 1
    assert metering.close_hours(NOW + 6 * MINUTE) == 0
    assert sums() == {NOW - HOUR: 735, NOW: 9}

    assert metering.send_due(NOW + 6 * MINUTE) == 2 and metering.send_due(NOW + 7 * MINUTE) == 0
    customer = buyer.customer.stripe_customer_id
    assert [value for _identifier, value in told(payments)] == [735, 9]
    assert {each["payload"]["stripe_customer_id"] for each in payments.all("meter_events")} == {customer}
    assert [each["timestamp"] for each in payments.all("meter_events")] == [
        int((NOW - HOUR).timestamp()) - 1,
        int(NOW.timestamp()) - 1,
    ]
    assert payments.problems() == []


def test_only_what_was_used_while_subscribed_is_billed(payments: Payments, buyer: Buyer) -> None:
    key = metered(buyer, since=NOW - 3 * HOUR + 20 * MINUTE)
    used(key, 1, NOW - 3 * HOUR + 10 * MINUTE)
    used(key, 20, NOW - 3 * HOUR + 30 * MINUTE)
    used(key, 300, NOW - HOUR + 10 * MINUTE)
    used(key, 4000, NOW - HOUR + 30 * MINUTE)
    ended = NOW - HOUR + 20 * MINUTE
    Subscription.objects.update(ended_at=ended, status="canceled")

    # Its last part is closed before the hour is: the provider writes the last invoice within the hour.
    assert metering.close_hours(ended + 6 * MINUTE) == 2
    assert sums() == {NOW - 2 * HOUR: 20, ended: 300}
    metering.close_hours(NOW + HOUR)
    assert len(sums()) == 2


def test_the_ends_of_one_plan_and_the_begin_of_the_next_share_an_hour(payments: Payments, buyer: Buyer) -> None:
    key = metered(buyer)
    now = timezone.now()
    used(key, 50, now - datetime.timedelta(seconds=2))
    buyer.hears(payments, "cancelled")
    Subscription.objects.update(ended_at=now - datetime.timedelta(seconds=1))
    buyer.buys(payments, "scale")

    assert list(sums().values()) == [50]
    assert buyer.subscription.metered_until >= now - datetime.timedelta(seconds=2)


def test_until_a_subscription_is_paid_for_calls_are_those_of_the_plan_before(payments: Payments, buyer: Buyer) -> None:
    key, read = metered(buyer), stripe_client.read_subscription(buyer.subscription.stripe_id)
    used(key, 60, NOW - 2 * HOUR)
    subscriptions.apply(dataclasses.replace(read, status="incomplete", asked_at=timezone.now()))

    assert metering.close_hours(NOW) == 0
    buyer.hears(payments, "month_ended")

    assert buyer.subscription.status == "active" and buyer.subscription.metered_until > NOW - HOUR
    assert metering.close_hours(NOW + 5 * MINUTE) == 0


def test_a_call_settled_late_counts_in_its_own_hour(payments: Payments, buyer: Buyer) -> None:
    key = metered(buyer)
    used(key, 10, NOW - 3 * HOUR)
    metering.close_hours(NOW - 2 * HOUR + 5 * MINUTE)
    used(key, 70, NOW - HOUR + MINUTE, started_at=NOW - 3 * HOUR)

    metering.close_hours(NOW + 5 * MINUTE)

    assert sums() == {NOW - 2 * HOUR: 10, NOW: 70}


def test_a_call_that_was_given_up_and_settled_after_all_is_billed_once(payments: Payments, buyer: Buyer) -> None:
    key = metered(buyer)
    swept = [used(key, cost, NOW - 3 * HOUR, state=UsageRecord.State.SWEPT) for cost in (50, 80)]
    metering.close_hours(NOW - 2 * HOUR + 5 * MINUTE)

    for line, cost in zip(swept, (90, 10), strict=True):
        UsageRecord.objects.filter(pk=line.pk).update(
            state=UsageRecord.State.SETTLED, cost_microusd=cost, settled_at=NOW - HOUR + MINUTE
        )
    metering.close_hours(NOW + 5 * MINUTE)
    metering.send_due(NOW + 6 * MINUTE)

    assert sums() == {NOW - 2 * HOUR: 130, NOW: -30}
    assert sum(value for _identifier, value in told(payments)) == 90 + 10


def test_a_send_whose_answer_was_lost_counts_once(payments: Payments, buyer: Buyer) -> None:
    used(metered(buyer), 40, NOW - 2 * HOUR)
    metering.close_hours(NOW)
    metering.send_due(NOW)
    MeterSend.objects.update(state=MeterSend.State.PENDING, due_at=NOW)  # as if we had died before the commit

    assert metering.send_due(NOW) == 1
    assert [value for _identifier, value in told(payments)] == [40]
    assert MeterSend.objects.get().state == MeterSend.State.SENT


def test_what_the_provider_does_not_take_waits_and_at_last_is_for_staff(payments: Payments, buyer: Buyer) -> None:
    used(metered(buyer), 40, NOW - 2 * HOUR)
    metering.close_hours(NOW)
    payments.stand_in.calls.away = 3

    assert metering.send_due(NOW) == 0 and metering.send_due(NOW) == 0  # not twice in a row
    row = MeterSend.objects.get()
    assert (row.state, row.tries, row.problem) == (MeterSend.State.PENDING, 1, "status_500") and row.due_at > NOW

    assert metering.send_due(NOW + datetime.timedelta(days=35)) == 0
    row.refresh_from_db()
    assert (row.state, row.problem) == (MeterSend.State.FAILED, "too_old")


def test_while_payments_are_off_sums_wait(payments: Payments, buyer: Buyer, settings: Any) -> None:
    used(metered(buyer), 40, NOW - 2 * HOUR)
    settings.STRIPE_SECRET_KEY = ""

    assert metering.close_hours(NOW) == 1 and metering.send_due(NOW) == 0
    assert MeterSend.objects.get().state == MeterSend.State.PENDING


def test_prices_ledger_and_meter_agree_to_the_millionth(payments: Payments, buyer: Buyer) -> None:
    key = metered(buyer)
    price = ModelPrice.objects.valid_at(NOW).get(model="wagmi-large")
    by_model = prices.read()
    calls = [(1, 1), (333, 77), (12_345, 678), (999_999, 1), (7, 0)]
    costs = [prices.cost(by_model["wagmi-large"], read, written) for read, written in calls]
    for (read, written), cost in zip(calls, costs, strict=True):
        used(key, cost, NOW - 2 * HOUR, prompt_tokens=read, completion_tokens=written, model="wagmi-large")

    metering.close_hours(NOW)
    metering.send_due(NOW)

    exact = [read * price.input_microusd + written * price.output_microusd for read, written in calls]
    assert costs == [-(-each // 1_000_000) for each in exact]  # each call rounded up, once
    assert sum(value for _identifier, value in told(payments)) == sum(costs)
    for slug in ("build", "scale"):
        sold = {each["id"]: each for each in payments.all("prices")}
        row: Plan = plan(slug)
        month, usage = sold[row.stripe_price_id], sold[row.stripe_usage_price_id]
        assert month["unit_amount"] == row.month_cents and month["currency"] == usage["currency"] == "usd"
        free, beyond = usage["tiers"]
        assert (free["up_to"], free["unit_amount_decimal"]) == (row.included_microusd, "0")
        assert beyond["up_to"] is None and beyond["unit_amount_decimal"] == str(stripe_catalogue.UNIT_CENTS)
        assert stripe_catalogue.UNIT_CENTS * 1_000_000 == 100  # a million of them are a hundred cents
        assert usage["recurring"]["meter"] == payments.all("meters")[0]["id"]
