"""The GPU governor: nothing is used that was not reserved, and every sum is exact."""

import datetime
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from inference import budget, gpu_ledger
from inference.errors import BudgetSpent
from inference.models import GpuLedgerEntry, GpuLimit, Wake
from tests.inference.gpu import (
    ALICE,
    ANONYMOUS,
    BOB,
    CAROL,
    NOON,
    PAYING,
    SIGNED_IN,
    after,
    cap,
    held,
    money,
    set_round_periods,
    slept,
    woken,
)

Scope, Window, Kind = GpuLimit.Scope, GpuLimit.Window, GpuLedgerEntry.Kind
CONNECTIONS = 7  # as many as the pool has, less one
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _periods(settings: Any) -> None:
    set_round_periods(settings)


def test_the_hard_limit_is_the_sum_of_every_timer() -> None:
    assert budget.hard_limit_s() == 300 + 120 + 110 + 60 + 10
    assert budget.answer_limit_s() == 300


def test_a_wake_reserves_its_hard_limit_and_is_covered_for_as_long() -> None:
    wake = woken()

    wake.refresh_from_db()
    entry = wake.ledger.get()
    assert (entry.kind, entry.seconds, entry.asker_class, entry.subject) == (Kind.RESERVED, 600, SIGNED_IN, ALICE)
    assert entry.microusd == 600 * 1_000_000 // 3600
    assert wake.covered_until == after(600)


@pytest.mark.parametrize("scope", [Scope.ALL, Scope.SIGNED_IN, Scope.PERSON])
@pytest.mark.parametrize("window", [Window.DAY, Window.MONTH])
def test_a_wake_that_does_not_fit_under_a_cap_is_refused_and_leaves_nothing(scope: str, window: str) -> None:
    cap(scope, window, seconds=599)
    wake = Wake.objects.create(backend="gpu", asker_class=SIGNED_IN)

    with pytest.raises(BudgetSpent) as spent:
        budget.reserve(wake, SIGNED_IN, ALICE, now=NOON)

    assert (spent.value.scope, spent.value.window) == (scope, window)
    expected = datetime.datetime(2026, 11, 22 if window == Window.DAY else 30, tzinfo=datetime.UTC)
    assert spent.value.resets_at == (expected if window == Window.DAY else expected + datetime.timedelta(days=1))
    assert not GpuLedgerEntry.objects.exists()


def test_money_is_a_cap_of_its_own() -> None:
    cap(Scope.ALL, Window.MONTH, seconds=180_000, usd_cents=16)  # 600 s cost 16.67 cents

    with pytest.raises(BudgetSpent):
        woken()


def test_of_two_caps_that_are_met_the_one_that_opens_last_is_named() -> None:
    cap(Scope.ALL, Window.MONTH, seconds=0)
    cap(Scope.ALL, Window.DAY, seconds=0)

    with pytest.raises(BudgetSpent) as spent:
        woken()

    assert spent.value.window == Window.MONTH


def test_what_was_not_billed_goes_back_and_the_wake_sums_to_its_bill() -> None:
    wake = woken()

    slept(wake, at=after(183), billed_s=183)

    assert held(wake=wake) == 190  # in started granules of 10 s
    assert money(wake=wake) == gpu_ledger.cost(190)
    assert held(kind=Kind.GIVEN_BACK) == -410


def test_settling_twice_changes_nothing() -> None:
    wake = woken()
    slept(wake, at=after(183), billed_s=183)
    before = list(GpuLedgerEntry.objects.values_list("id", "seconds"))

    budget.settle(wake, now=after(200))

    assert list(GpuLedgerEntry.objects.values_list("id", "seconds")) == before


def test_a_corrected_bill_is_followed() -> None:
    wake = woken()
    slept(wake, at=after(183), billed_s=183)

    wake.billed_s = 150
    wake.save()
    budget.settle(wake)

    assert (held(wake=wake), money(wake=wake)) == (150, gpu_ledger.cost(150))


def test_a_wake_that_never_went_out_costs_nothing() -> None:
    wake = woken()
    wake.state, wake.ended_at = Wake.State.FAILED, after(5)
    wake.save()

    budget.settle(wake)

    assert (held(), money()) == (0, 0)


def test_without_a_word_from_the_provider_the_wall_clock_is_the_bill() -> None:
    wake = woken()
    wake.waking_at = after(2)
    wake.save()

    slept(wake, at=after(100), billed_s=None)

    assert held(wake=wake) == 100


def test_a_bill_above_the_reservation_is_charged_as_corrected(caplog: pytest.LogCaptureFixture) -> None:
    wake = woken()

    slept(wake, at=after(700), billed_s=700)

    assert held(wake=wake) == 700
    assert held(kind=Kind.CORRECTED) == 100
    assert "600 s were reserved" in caplog.text


def test_an_answer_that_is_covered_reserves_nothing_more() -> None:
    wake = woken()

    assert budget.extend(wake.pk, SIGNED_IN, ALICE, now=after(200))

    assert held() == 600


def test_an_answer_that_does_not_fit_extends_the_reservation_first() -> None:
    wake = woken()

    assert budget.extend(wake.pk, SIGNED_IN, ALICE, now=after(400))

    wake.refresh_from_db()
    assert wake.covered_until == after(700)
    assert held(kind=Kind.EXTENDED) == 100


def test_an_answer_for_which_nothing_is_left_stays_on_the_cpu_and_the_wake_as_it_was() -> None:
    cap(Scope.ALL, Window.DAY, seconds=600)
    wake = woken()

    with pytest.raises(BudgetSpent):
        budget.extend(wake.pk, SIGNED_IN, BOB, now=after(400))

    wake.refresh_from_db()
    assert wake.covered_until == after(600)
    assert held() == 600


@pytest.mark.parametrize("state", [Wake.State.SLEEPING, Wake.State.ASLEEP, Wake.State.FAILED])
def test_a_wake_that_is_over_takes_no_further_answer(state: str) -> None:
    wake = woken()
    Wake.objects.update(state=state)

    assert not budget.extend(wake.pk, SIGNED_IN, ALICE, now=after(10))


def test_a_wake_whose_cover_has_passed_takes_no_further_answer() -> None:
    wake = woken()

    assert not budget.extend(wake.pk, SIGNED_IN, ALICE, now=after(601))


def test_seconds_are_charged_to_whoever_causes_them() -> None:
    wake = woken(SIGNED_IN, ALICE)

    budget.extend(wake.pk, SIGNED_IN, BOB, now=after(200))
    budget.extend(wake.pk, PAYING, CAROL, now=after(250))
    slept(wake, at=after(400), billed_s=400)

    assert (held(subject=ALICE), held(subject=BOB), held(subject=CAROL)) == (200, 50, 150)
    assert (held(), money()) == (400, gpu_ledger.cost(400))


def test_a_bill_below_the_time_that_passed_is_shared_in_proportion() -> None:
    wake = woken(SIGNED_IN, ALICE)
    budget.extend(wake.pk, SIGNED_IN, BOB, now=after(200))

    slept(wake, at=after(300), billed_s=150)  # this provider does not bill the cold start

    assert (held(subject=ALICE), held(subject=BOB)) == (100, 50)
    assert money() == gpu_ledger.cost(150)


def test_a_clock_that_was_set_back_takes_from_nobody_before() -> None:
    wake = woken(SIGNED_IN, ALICE)
    budget.extend(wake.pk, SIGNED_IN, BOB, now=after(200))

    budget.extend(wake.pk, PAYING, CAROL, now=after(-3600))

    assert (held(subject=ALICE), held(subject=BOB), held(subject=CAROL)) == (200, 0, 400)


def test_free_use_cannot_drain_what_is_kept_for_paying_customers() -> None:
    spent = 0
    for number in range(20):
        try:
            slept(woken(SIGNED_IN, uuid.UUID(int=100 + number)), at=after(600), billed_s=600)
        except BudgetSpent as refused:
            assert refused.scope == Scope.SIGNED_IN
            Wake.objects.filter(ledger=None).delete()
        spent = held(asker_class=SIGNED_IN)

    assert spent == 3600
    wake = woken(PAYING, CAROL)
    assert held(wake=wake) == 600


def test_free_use_does_not_live_on_the_wake_of_a_paying_customer() -> None:
    cap(Scope.SIGNED_IN, Window.DAY, seconds=0)
    wake = woken(PAYING, CAROL)

    with pytest.raises(BudgetSpent):
        budget.extend(wake.pk, SIGNED_IN, ALICE, now=after(10))


def test_paying_use_does_not_block_free_use_below_its_cap() -> None:
    for number in range(6):
        slept(woken(PAYING, uuid.UUID(int=100 + number)), at=after(600), billed_s=600)
    with pytest.raises(BudgetSpent):
        woken(PAYING, CAROL)
    Wake.objects.filter(ledger=None).delete()

    assert held(wake=woken(SIGNED_IN, ALICE)) == 600


def test_visitors_wake_nothing_by_default() -> None:
    with pytest.raises(BudgetSpent):
        woken(ANONYMOUS, None)


@pytest.mark.django_db(transaction=True)
def test_of_fifty_parallel_reservations_against_a_budget_for_three_exactly_three_fit() -> None:
    cap(Scope.ALL, Window.DAY, seconds=1800)
    wakes = [Wake.objects.create(backend=f"gpu-{number}", asker_class=PAYING) for number in range(50)]

    def ask(wake: Wake) -> bool:
        try:
            budget.reserve(wake, PAYING, uuid.UUID(int=wake.pk), now=NOON)
        except BudgetSpent:
            return False
        finally:
            connection.close()
        return True

    connection.close()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        fitted = sum(pool.map(ask, wakes))

    assert fitted == 3
    assert held() == 1800
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(seconds), sum(microusd), count(*) FROM inference_gpuledgerentry")
        assert cursor.fetchone() == (1800, 3 * gpu_ledger.cost(600), 3)


def test_shares_are_whole_and_sum_to_the_whole() -> None:
    for whole in range(25):
        parts = gpu_ledger.shares(whole, [7, 0, 13, 4])

        assert sum(parts) == whole
        assert all(part <= weight for part, weight in zip(parts, [7, 0, 13, 4], strict=True))
