"""The nightly comparison finds every kind of difference, and nothing where there is none."""

import datetime

import pytest
from django.db import connection
from django.utils import timezone

from billing import audit_ledger
from billing.models import Quota, Reconciliation, UsageRecord
from tests.billing.ledgers import assert_exact, call, carol, end, key_of, reserve, settle

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _calls() -> None:
    key, _text = key_of(carol())
    first, running = call(key, 100, gpu_ms=10), call(key, 70)
    reserve(first, running)
    settle(end(first, 40, gpu_ms=5))


def test_an_exact_ledger_is_written_down_as_such() -> None:
    found = audit_ledger.check(timezone.now())

    assert (found.kind, found.compared, found.differing, found.details) == ("ledger", 4, 0, [])


@pytest.mark.parametrize(
    ("broken", "differing", "difference"),
    [
        ("UPDATE billing_quota SET spent_microusd = spent_microusd + 3 WHERE key = 0 AND \"window\" = 'day'", 1, 3),
        ("UPDATE billing_quota SET reserved_microusd = 0", 4, 70),
        ("UPDATE billing_quota SET spent_gpu_ms = 0 WHERE key <> 0", 2, 0),
        ("DELETE FROM billing_quota WHERE \"window\" = 'month'", 2, 70),
        ("UPDATE billing_usagerecord SET cost_microusd = -1 WHERE state = 'settled'", 4, 41),
        ("DELETE FROM billing_usagerecord WHERE state = 'reserved'", 4, 70),
    ],
)
def test_a_difference_is_found_and_said_with_ids_and_numbers(broken: str, differing: int, difference: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(broken)

    found = audit_ledger.check(timezone.now())

    assert (found.compared, found.differing, found.difference_microusd) == (4, differing, difference)
    assert len(found.details) == differing
    assert set(found.details[0]) == {"customer", "key", "window", "starts", "quota", "lines"}


def test_what_is_below_zero_on_both_sides_differs_too() -> None:
    UsageRecord.objects.filter(state="settled").update(cost_microusd=-40)
    Quota.objects.update(spent_microusd=-40)

    assert audit_ledger.check(timezone.now()).differing == 4


def test_a_day_has_one_check() -> None:
    now = timezone.now()

    assert audit_ledger.check_once_a_day(now) is not None
    assert audit_ledger.check_once_a_day(now) is None
    assert audit_ledger.check_once_a_day(now + datetime.timedelta(days=1)) is not None
    assert Reconciliation.objects.count() == 2


def test_lines_are_deleted_when_they_are_old_and_their_sums_stay_and_do_not_differ() -> None:
    now = timezone.now()
    old = now.date() - datetime.timedelta(days=401)
    UsageRecord.objects.update(day=old)
    Quota.objects.filter(window="day").update(starts=old)
    Quota.objects.filter(window="month").update(starts=old.replace(day=1))
    assert_exact()

    assert audit_ledger.delete_old_lines(now) == 1

    assert UsageRecord.objects.get().state == "reserved"  # never one that is not settled
    assert Quota.objects.filter(spent_microusd=40).count() == 4
    assert audit_ledger.check(now, everything=True).differing == 0
