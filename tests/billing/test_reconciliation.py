"""The day that is over, compared: ledger, what we told the meter, what the meter has."""

import datetime

from django.utils import timezone

from billing import metering, reconciliation
from billing.models import MeterSend, Reconciliation, Subscription, UsageRecord
from tests.billing import rows
from tests.billing.buying import Buyer
from tests.payments.stand_in import Payments

HOUR, DAY = datetime.timedelta(hours=1), datetime.timedelta(days=1)
# Two days ago, so that nothing that is told lies in the provider's future.
TODAY = timezone.now().astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0) - 2 * DAY
YESTERDAY = (TODAY - DAY).date()


def day_of_calls(buyer: Buyer) -> list[UsageRecord]:
    """Write calls of yesterday, its first and last second among them, and tell the meter."""
    Subscription.objects.filter(customer=buyer.pk).update(started_at=TODAY - 3 * DAY, metered_until=TODAY - 3 * DAY)
    key = rows.key_of(buyer.customer)
    moments = [TODAY - DAY - HOUR, TODAY - DAY, TODAY - 12 * HOUR, TODAY - datetime.timedelta(seconds=1), TODAY]
    lines = [
        rows.call(key, at.date(), cost_microusd=10**n, settled_at=at, state="swept" if n == 2 else "settled")
        for n, at in enumerate(moments)
    ]
    UsageRecord.objects.bulk_create(lines)
    metering.close_hours(TODAY + 2 * HOUR)
    metering.send_due(TODAY + 2 * HOUR)
    return lines


def test_a_day_in_which_all_sides_agree(payments: Payments, buyer: Buyer) -> None:
    lines = day_of_calls(buyer)
    # Given up yesterday, settled after all today: told yesterday what it was, today the rest.
    UsageRecord.objects.filter(request_id=lines[2].request_id).update(
        state="settled", cost_microusd=150, settled_at=TODAY + 2 * HOUR + DAY / 48
    )
    metering.close_hours(TODAY + 4 * HOUR)
    metering.send_due(TODAY + 4 * HOUR)

    assert reconciliation.run_once_a_day(TODAY + 2 * HOUR) == []  # the provider is still adding up
    made = reconciliation.run_once_a_day(TODAY + 5 * HOUR)

    assert [(each.kind, each.compared, each.differing) for each in made] == [("usage", 1, 0), ("meter", 1, 0)]
    assert reconciliation.run_once_a_day(TODAY + 6 * HOUR) == []
    assert reconciliation.compare_usage(TODAY.date()).details == []
    assert payments.problems() == []


def test_what_differs_is_written_down_with_both_sides(payments: Payments, buyer: Buyer) -> None:
    lines = day_of_calls(buyer)
    UsageRecord.objects.filter(request_id=lines[1].request_id).update(cost_microusd=12)
    events = payments.all("meter_events")
    events[1]["payload"]["value"] = "7"

    usage, meter = reconciliation.run_once_a_day(TODAY + 5 * HOUR)

    customer = str(buyer.customer.public_id)
    assert usage.details == [{"customer": customer, "expected": 1_112, "found": 1_110}]
    assert meter.details == [{"customer": customer, "expected": 1_110, "found": 1_107}]
    assert (meter.differing, meter.difference_microusd) == (1, 3)


def test_while_the_provider_is_away_its_part_waits(payments: Payments, buyer: Buyer) -> None:
    day_of_calls(buyer)
    payments.stand_in.calls.away = 3

    assert [each.kind for each in reconciliation.run_once_a_day(TODAY + 5 * HOUR)] == ["usage"]
    assert [each.kind for each in reconciliation.run_once_a_day(TODAY + 6 * HOUR)] == ["meter"]
    assert Reconciliation.objects.filter(day=YESTERDAY).count() == 2
    assert MeterSend.objects.filter(state="sent").count() == 5
