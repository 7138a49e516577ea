"""Many callers at once on connections of their own: no limit is passed, nobody waits for ever, nothing is lost."""

import json
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from billing.models import UsageRecord
from tests.billing.ledgers import assert_exact, call, carol, end, key_of, other_connection, quota

pytestmark = pytest.mark.django_db(transaction=True)


def unless_busy(own: Any, function: str, calls: list[dict[str, Any]]) -> list[str]:
    """Return the verdicts, asked for again where a row was held for too long: on a slow machine a crowd takes long."""
    statement = f"SELECT request, verdict FROM {function}(%s::jsonb)"
    found: dict[str, str] = {}
    while left := [each for each in calls if found.get(each["request"], "busy") == "busy"]:
        rows = own.execute(statement, [json.dumps(left)]).fetchall()
        found |= {str(request): verdict for request, verdict in rows}
    return list(found.values())


def test_two_hundred_parallel_reservations_on_a_budget_for_ten_give_ten() -> None:
    customer = carol()
    key, _text = key_of(customer, month_limit_microusd=1_000)
    waiting = [call(key, 100) for _ in range(200)]

    def reserve(calls: list[dict[str, Any]]) -> list[str]:
        with other_connection() as own:
            return [unless_busy(own, "billing_reserve", [each])[0] for each in calls]

    with ThreadPoolExecutor(8) as pool:
        verdicts = Counter(
            verdict for found in pool.map(reserve, [waiting[i::8] for i in range(8)]) for verdict in found
        )

    assert verdicts == {"ok": 10, "limit": 190}
    assert quota(customer, key).reserved_microusd == 1_000
    assert_exact()


def test_batches_of_many_customers_in_any_order_never_wait_for_each_other_in_a_circle() -> None:
    # given six customers, and four processes that reserve, note and settle for all of them in batches of any order
    held = [key_of(carol(email=f"carol-{number}@example.org"))[0] for number in range(6)]
    failed: list[Exception] = []

    def work(seed: int) -> None:
        order = random.Random(seed)
        try:
            with other_connection() as settling, other_connection() as noting:
                for _ in range(12):
                    calls = [call(key) for key in held for _ in range(3)]
                    order.shuffle(calls)
                    unless_busy(settling, "billing_reserve", calls)
                    noted = [{**each, "prompt_tokens": 1, "completion_tokens": 1} for each in calls]
                    order.shuffle(noted)
                    note = threading.Thread(
                        target=noting.execute, args=("SELECT billing_progress(%s::jsonb)", [json.dumps(noted)])
                    )
                    note.start()
                    order.shuffle(calls)
                    unless_busy(settling, "billing_settle", [end(each) for each in calls])
                    note.join()
        except Exception as error:  # what a thread raises, pytest does not see
            failed.append(error)

    # when they all work at once
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    # then all is done and counted
    assert not failed
    assert UsageRecord.objects.filter(state="settled").count() == 4 * 12 * 6 * 3
    assert not UsageRecord.objects.exclude(state="settled").exists()
    assert_exact()


def test_noting_progress_waits_for_no_settlement_so_neither_can_block_the_other() -> None:
    key, _text = key_of(carol())
    ending, going_on = call(key), call(key)
    with other_connection() as settling, other_connection() as noting:
        settling.execute("SELECT billing_reserve(%s::jsonb)", [json.dumps([ending, going_on])])

        with settling.transaction():
            settling.execute("SELECT billing_settle(%s::jsonb)", [json.dumps([end(ending)])])
            noting.execute("SET statement_timeout = '2s'")
            noted = [{**each, "prompt_tokens": 7, "completion_tokens": 3} for each in (ending, going_on)]
            noting.execute("SELECT billing_progress(%s::jsonb)", [json.dumps(noted)])

    assert UsageRecord.objects.get(request_id=going_on["request"]).completion_tokens == 3
    assert UsageRecord.objects.get(request_id=ending["request"]).completion_tokens == 20
