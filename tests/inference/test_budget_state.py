"""How the budget stands, for lamps, banners and the admin."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from inference import budget, budget_state
from inference.models import GpuLimit, Wake
from tests.inference.gpu import (
    NOON,
    PAYING,
    SIGNED_IN,
    after,
    cap,
    set_round_periods,
    slept,
    woken,
)

Scope, Window = GpuLimit.Scope, GpuLimit.Window
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _periods(settings: Any) -> Iterator[None]:
    set_round_periods(settings)
    budget_state.forget()
    yield
    budget_state.forget()


def test_an_open_wake_is_reserved_and_a_closed_one_is_used() -> None:
    slept(woken(), at=after(100), billed_s=100)
    woken(at=after(200))

    day = budget_state.read(now=after(210)).windows[0]

    assert (day.used.seconds, day.reserved.seconds, day.limit.seconds) == (100, 600, 7200)
    assert day.resets_at == datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


def test_the_state_is_tight_from_eighty_per_cent_and_stops_when_nothing_more_fits() -> None:
    levels = []
    for billed_s in (0, 5750, 600, 600):  # of 7200
        Wake.objects.all().update(state=Wake.State.ASLEEP)
        if billed_s:
            wake = Wake.objects.create(backend="gpu", asker_class=PAYING, state=Wake.State.ASLEEP)
            wake.billed_s = billed_s
            budget.settle(wake, now=NOON)
        levels.append(budget_state.read(now=NOON).level)

    assert levels == ["ok", "ok", "tight", "stop"]


def test_an_awake_model_whose_next_answer_is_paid_for_is_no_stop() -> None:
    cap(Scope.ALL, Window.DAY, seconds=600)
    wake = woken()

    assert not budget_state.read(now=after(200)).is_stopped
    assert budget_state.read(now=after(400)).is_stopped

    slept(wake, at=after(450), billed_s=450)
    assert budget_state.read(now=after(460)).resets_at == datetime.datetime(2026, 11, 22, tzinfo=datetime.UTC)


def test_a_class_has_a_state_of_its_own() -> None:
    cap(Scope.SIGNED_IN, Window.DAY, seconds=0)

    assert budget_state.read(SIGNED_IN, now=NOON).is_stopped
    assert budget_state.read(PAYING, now=NOON).level == "ok"
    assert budget_state.read(now=NOON).level == "ok"


def test_everybody_has_no_more_than_the_ok_budget_of_any_class() -> None:
    for scope in (Scope.PAYING, Scope.SIGNED_IN):
        cap(scope, Window.DAY, seconds=0)

    assert budget_state.read(now=NOON).level == "ok"  # the caps of everybody alone
    assert budget_state.read(PAYING, now=NOON).scope == PAYING


@pytest.mark.django_db(transaction=True)
async def test_the_state_is_read_at_most_every_two_seconds() -> None:
    first = await budget_state.current()
    await GpuLimit.objects.acreate(scope=Scope.ALL, window=Window.DAY, seconds=0, usd_cents=0)

    assert await budget_state.current() is first
    budget_state.forget()
    assert (await budget_state.current()).is_stopped
