"""Reserve, settle, sweep: whatever happens to a call, it is counted once and its quotas are the sum of their lines."""

import asyncio
import datetime
import json
import uuid
from typing import Any

import pytest
from django.utils import timezone

from billing import keys, ledger, quotas
from billing.errors import CallKnown, LimitReached, Suspended, UnknownKey
from billing.models import Quota, UsageRecord
from compliance.database import in_thread
from tests.billing import ledgers
from tests.billing.ledgers import assert_exact, call, carol, end, key_of, line, quota, reserve, settle

pytestmark = pytest.mark.django_db


def made_yesterday(reserved: dict[str, Any]) -> None:
    """Let a reservation have been made on the last day of last month."""
    today = timezone.now().date()
    then = today.replace(day=1) - datetime.timedelta(days=1)
    UsageRecord.objects.filter(request_id=reserved["request"]).update(day=then)
    Quota.objects.filter(window="day").update(starts=then)
    Quota.objects.filter(window="month").update(starts=then.replace(day=1))


def test_a_call_is_reserved_at_its_worst_and_settled_at_what_it_took() -> None:
    customer = carol()
    key, _text = key_of(customer)
    mine = call(key, 100, gpu_ms=50)

    assert reserve(mine) == ["ok"]
    assert (quota(customer).reserved_microusd, quota(customer).spent_microusd) == (100, 0)
    assert (quota(customer, key, "day").reserved_microusd, quota(customer, key, "day").reserved_gpu_ms) == (100, 50)
    assert settle(end(mine, 40, gpu_ms=20)) == 1

    for window in ("day", "month"):
        for row in (quota(customer, None, window), quota(customer, key, window)):
            assert (row.reserved_microusd, row.spent_microusd) == (0, 40)
            assert (row.reserved_gpu_ms, row.spent_gpu_ms) == (0, 20)
    key.refresh_from_db()
    assert (line(mine).state, line(mine).cost_microusd) == ("settled", 40)
    assert key.last_used_at is not None
    assert key.last_used_at.second == 0
    assert_exact()


def test_the_same_reservation_and_the_same_settlement_twice_count_once() -> None:
    customer = carol()
    key, _text = key_of(customer)
    mine = call(key)

    assert reserve(mine, mine) == ["ok", "ok"]
    assert reserve(mine) == ["ok"]
    assert settle(end(mine), end(mine)) == 1
    assert settle(end(mine, 90)) == 0

    assert (quota(customer).reserved_microusd, quota(customer).spent_microusd) == (0, 40)
    assert_exact()


@pytest.mark.parametrize(
    ("limits", "owner", "source", "window", "limit"),
    [
        ({"month_limit_microusd": 250}, "customer", "account", "month", 250),
        ({"month_limit_microusd": 250}, "key", "key", "month", 250),
        ({"day_limit_microusd": 250}, "key", "key", "day", 250),
    ],
)
def test_a_limit_refuses_the_call_that_does_not_fit_and_says_which_it_is(
    limits: dict[str, int], owner: str, source: str, window: str, limit: int
) -> None:
    customer = carol(**(limits if owner == "customer" else {}))
    key, _text = key_of(customer, **(limits if owner == "key" else {}))
    first, second, third = call(key), call(key), call(key)

    found = {str(row[0]): row[1:] for row in ledgers.run("billing_reserve", first, second, third)}

    verdicts = [verdict for verdict, _detail in found.values()]
    assert sorted(verdicts) == ["limit", "ok", "ok"]
    detail = next(detail for verdict, detail in found.values() if verdict == "limit")
    assert json.loads(detail) == {
        "source": source, "window": window, "unit": "microusd", "limit": limit, "spent": 0, "reserved": 200,
    }  # fmt: skip
    assert UsageRecord.objects.count() == 2
    assert_exact()


def test_gpu_seconds_have_limits_of_their_own_that_calls_without_a_gpu_do_not_meet() -> None:
    key, _text = key_of(carol(), day_gpu_s=1)

    assert reserve(call(key, gpu_ms=900)) == ["ok"]
    assert reserve(call(key, gpu_ms=900)) == ["limit"]
    assert reserve(call(key)) == ["ok"]
    assert_exact()


def test_a_cap_of_ones_own_is_never_above_the_plans() -> None:
    customer = carol("free", month_limit_microusd=10**12)
    key, _text = key_of(customer)

    assert reserve(call(key, 1_000_000)) == ["ok"]
    assert reserve(call(key, 1)) == ["limit"]


def test_a_key_that_ended_a_moment_ago_reserves_nothing_whatever_a_process_believes() -> None:
    customer = carol()
    key, _text = key_of(customer)
    other, _text = key_of(carol(email="bob@example.org"))
    keys.revoke(key, actor="operator")

    assert reserve(call(key)) == ["key_gone"]
    assert reserve({**call(other), "customer": customer.pk}) == ["key_gone"]
    quotas.suspend(other.customer, actor="operator", reason="unpaid")
    assert reserve(call(other)) == ["suspended"]
    assert not UsageRecord.objects.exists()


def test_a_call_counts_in_the_day_and_month_it_was_reserved_in() -> None:
    customer = carol()
    key, _text = key_of(customer)
    mine = call(key)
    reserve(mine)
    made_yesterday(mine)

    reserve(call(key, 7))
    settle(end(mine, 40))

    today = timezone.now().date()
    then = today.replace(day=1) - datetime.timedelta(days=1)
    found = {(row.window, row.starts): row for row in Quota.objects.filter(customer=customer, key=0)}
    counted = {place: (row.spent_microusd, row.reserved_microusd) for place, row in found.items()}
    assert counted == {
        ("day", then): (40, 0),
        ("month", then.replace(day=1)): (40, 0),
        ("day", today): (0, 7),
        ("month", today.replace(day=1)): (0, 7),
    }
    assert_exact()


def test_a_call_whose_process_died_is_swept_at_what_it_had_delivered(settings: Any) -> None:
    settings.API_ORPHAN_S = 60
    customer = carol()
    key, _text = key_of(customer)
    lost, running = call(key, 5_000), call(key, 100)
    reserve(lost, running)
    ledgers.run("billing_progress", {**lost, "prompt_tokens": 1_000, "completion_tokens": 500})
    UsageRecord.objects.filter(request_id=lost["request"]).update(
        started_at=timezone.now() - datetime.timedelta(minutes=2)
    )

    assert ledger.sweep() == 1
    assert ledger.sweep() == 0

    swept = line(lost)
    assert (swept.state, swept.outcome, swept.error_code, swept.counted) == ("swept", "lost", "process_died", False)
    assert swept.cost_microusd == 1_000 * 0.1 + 500 * 0.4
    assert line(running).state == "reserved"
    assert quota(customer).reserved_microusd == 100
    assert_exact()


def test_what_was_given_up_too_early_is_put_right_by_its_process(settings: Any) -> None:
    settings.API_ORPHAN_S = -1
    customer = carol()
    key, _text = key_of(customer)
    mine = call(key)
    reserve(mine)
    assert ledger.sweep() == 1

    assert settle(end(mine, 40)) == 1
    assert settle(end(mine, 40)) == 0

    assert (line(mine).state, line(mine).outcome, quota(customer).spent_microusd) == ("settled", "done", 40)
    assert_exact()


def test_a_reservation_lost_in_a_crash_is_restored_by_its_settlement() -> None:
    customer = carol()
    key, _text = key_of(customer)

    assert settle(end(call(key), 40)) == 1

    assert (quota(customer).spent_microusd, quota(customer).reserved_microusd) == (40, 0)
    assert UsageRecord.objects.get().key == key
    assert_exact()


def test_a_call_ends_well_although_its_key_or_its_customer_is_gone() -> None:
    customer = carol()
    key, _text = key_of(customer)
    with_key, without = call(key), call(key)
    reserve(with_key, without)
    Quota.objects.exclude(key=0).delete()
    key.delete()

    assert settle(end(with_key, 40)) == 1
    UsageRecord.objects.filter(request_id=without["request"]).update(
        started_at=timezone.now() - datetime.timedelta(days=1)
    )
    assert ledger.sweep() == 1
    assert (quota(customer).spent_microusd, quota(customer).reserved_microusd) == (40, 0)
    assert_exact()

    customer.delete()
    assert settle(end({**with_key, "request": str(uuid.uuid4())})) == 0


def test_an_idempotency_key_tells_running_finished_and_other() -> None:
    customer = carol()
    key, _text = key_of(customer)
    first = call(key, idempotency="i", body="b")
    assert reserve(first) == ["ok"]

    assert reserve(call(key, idempotency="i", body="b")) == ["in_flight"]
    assert reserve(call(key, idempotency="i", body="c")) == ["other_body"]
    settle(end(first))
    assert reserve(call(key, idempotency="i", body="b")) == ["completed"]
    # It is the customer's, whichever of their keys asks; somebody else's is another one.
    assert reserve(call(key_of(customer)[0], idempotency="i", body="b")) == ["completed"]
    assert reserve(call(key_of(carol(email="bob@example.org"))[0], idempotency="i", body="c")) == ["ok"]
    assert_exact()


@pytest.mark.parametrize(("outcome", "tokens", "again"), [("failed", 0, "ok"), ("failed", 3, "completed")])
def test_what_delivered_nothing_may_be_asked_again_under_its_idempotency_key(
    outcome: str, tokens: int, again: str
) -> None:
    key, _text = key_of(carol())
    first = call(key, idempotency="i", body="b")
    reserve(first)
    settle(end(first, 0, outcome=outcome, completion_tokens=tokens))

    assert reserve(call(key, idempotency="i", body="b")) == [again]


def test_idempotency_keys_are_forgotten_after_a_day_and_not_before() -> None:
    key, _text = key_of(carol())
    old, young, running = (call(key, idempotency=name, body="b") for name in ("old", "young", "running"))
    reserve(old, young, running)
    settle(end(old), end(young))
    long_ago = timezone.now() - datetime.timedelta(hours=25)
    UsageRecord.objects.exclude(request_id=young["request"]).update(started_at=long_ago)

    assert ledger.forget_idempotency() == 1

    assert (line(old).idempotency, line(old).body) == (None, "")
    assert line(young).idempotency == "young"
    assert line(running).idempotency == "running"


@pytest.mark.parametrize(
    ("now", "window", "expected"),
    [
        ("2026-12-31T23:59:59+00:00", "day", "2027-01-01T00:00:00+00:00"),
        ("2026-12-31T23:59:59+00:00", "month", "2027-01-01T00:00:00+00:00"),
        ("2028-02-28T12:00:00+00:00", "day", "2028-02-29T00:00:00+00:00"),
        ("2026-03-01T00:30:00+02:00", "month", "2026-03-01T00:00:00+00:00"),
    ],
)
def test_windows_reset_at_midnight_in_utc(now: str, window: str, expected: str) -> None:
    moment = datetime.datetime.fromisoformat
    assert ledger.resets_at(window, moment(now)) == moment(expected)


@pytest.mark.django_db(transaction=True)
def test_the_door_reserves_settles_and_hears_of_every_refusal(settings: Any) -> None:
    customer = carol()
    key, text = key_of(customer, month_limit_microusd=1_000)
    grant = ledgers.grant_of(text)

    def one(microusd: int, **fields: Any) -> ledger.Call:
        return ledger.Call(str(uuid.uuid4()), grant, "chat", ledgers.MODEL, True, microusd, **fields)

    async def use() -> None:
        used = one(900, idempotency="i", body="b")
        await ledger.reserve(used)
        await ledger.progress(used, prompt_tokens=10, completion_tokens=5)
        assert await ledger.settle(used, ledger.Used("done", prompt_tokens=1_000, completion_tokens=1_000)) == 500
        with pytest.raises(CallKnown) as known:
            await ledger.reserve(one(1, idempotency="i", body="b"))
        assert (known.value.state, known.value.request_id) == ("completed", used.request_id)
        with pytest.raises(LimitReached) as reached:
            await ledger.reserve(one(501))
        assert (reached.value.source, reached.value.window, reached.value.spent) == ("key", "month", 500)
        # Never more than was reserved, whatever the backend counted.
        capped = one(100)
        await ledger.reserve(capped)
        assert await ledger.settle(capped, ledger.Used("done", prompt_tokens=0, completion_tokens=10**6)) == 100
        await in_thread(quotas.suspend, customer, actor="operator", reason="unpaid")
        with pytest.raises(Suspended):
            await ledger.reserve(one(1))
        await in_thread(keys.revoke, key, actor="operator")
        with pytest.raises(UnknownKey):
            await ledger.reserve(one(1))
        await ledger.close()

    asyncio.run(use())

    assert quota(customer).spent_microusd == 600
    assert_exact()
