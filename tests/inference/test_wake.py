"""Waking: one wake however many ask, a lease with a fence, and an end that always closes the bill."""

import asyncio
import datetime
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Sum
from django.utils import timezone

from inference import budget, probes, registry, tending, wake, wake_alarms
from inference.drivers import driver
from inference.drivers.base import Fenced
from inference.errors import BudgetSpent, WakeRefused
from inference.models import AskerClass, Backend, GpuLedgerEntry, GpuLimit, Model, Wake
from inference.rescue import Switch
from tests.provider import ScriptedProvider

State = Wake.State
TIMES = ("requested_at", "waking_at", "attempted_at", "ready_at", "used_at", "heartbeat_at", "sleeping_at")
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def shared() -> Iterator[ScriptedProvider]:
    with ScriptedProvider() as provider:
        yield provider


@pytest.fixture
def provider(shared: ScriptedProvider, settings: Any, db: None) -> ScriptedProvider:
    """A large tier behind start and stop addresses, registered, asleep."""
    shared.reset()
    use(settings, shared, "start_stop")
    return shared


def use(settings: Any, provider: ScriptedProvider, kind: str) -> None:
    for name, value in provider.settings(kind).items():
        setattr(settings, name, value)
    settings.LLM_GPU = {**settings.LLM_GPU, "url": provider.url, "model": "wagmi-large", "fallbacks": []}
    registry.sync()


def ask(asker_class: str = AskerClass.SIGNED_IN, reserve: wake.Reserve = budget.reserve) -> Wake:
    return wake.request("gpu", asker_class=asker_class, subject=uuid.uuid4(), reserve=reserve)


def earlier(seconds: float, *names: str, **where: Any) -> None:
    """Let time pass for the open wake: what its row says happened so much earlier."""
    passed = datetime.timedelta(seconds=seconds)
    Wake.objects.filter(state__in=Wake.OPEN, **where).update(**{name: F(name) - passed for name in names or TIMES})


def state_after(rounds: int = 1) -> str:
    for _ in range(rounds):
        tending.tend()
    return Wake.objects.latest("id").state


def reserved_s() -> int:
    return GpuLedgerEntry.objects.aggregate(sum=Sum("seconds"))["sum"] or 0


def awake(provider: ScriptedProvider) -> Wake:
    """Return a wake that has become ready."""
    ask()
    assert state_after(2) == State.READY
    return Wake.objects.latest("id")


# --- asking ---


def test_a_request_becomes_ready_by_way_of_one_call(provider: ScriptedProvider) -> None:
    provider.up_after_s = 60
    found = ask()

    assert found.state == State.REQUESTED and found.covered_until is not None
    assert state_after(3) == State.WAKING
    provider.up_after_s = 0
    assert state_after() == State.READY
    assert provider.times("/start") == 1 and Wake.objects.get().model == "wagmi-large"


@pytest.mark.django_db(transaction=True)
def test_a_hundred_askers_at_once_make_one_wake_one_reservation_and_one_call(provider: ScriptedProvider) -> None:
    gate = threading.Barrier(6)

    def one(number: int) -> int:
        if number < 6:
            gate.wait(5)
        try:
            return ask().pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        found = set(pool.map(one, range(100)))
        list(pool.map(lambda _: (tending.tend(), connection.close()), range(6)))

    assert len(found) == 1 and Wake.objects.count() == 1
    assert GpuLedgerEntry.objects.count() == 1 and provider.times("/start") == 1


def test_what_cannot_be_paid_for_wakes_nothing(provider: ScriptedProvider) -> None:
    GpuLimit.objects.update_or_create(scope="all", window="day", defaults={"seconds": 10, "usd_cents": 10_000})

    with pytest.raises(BudgetSpent):
        ask()

    assert not Wake.objects.exists() and reserved_s() == 0


@pytest.mark.parametrize("change", ["model", "backend", "wake"])
def test_what_is_switched_off_is_not_woken(provider: ScriptedProvider, change: str) -> None:
    if change == "model":
        Model.objects.filter(public_id="wagmi-large").update(enabled=False)
    else:
        Backend.objects.filter(name="gpu").update(**{"enabled" if change == "backend" else "wake_enabled": False})

    with pytest.raises(WakeRefused) as refused:
        ask()

    assert refused.value.reason == "switched_off" and not Wake.objects.exists()


def test_looking_a_hundred_times_wakes_nothing(provider: ScriptedProvider) -> None:
    for _ in range(100):
        probes.probe()
        tending.tend()

    assert provider.requests == []
    assert Backend.objects.get(name="gpu").state == Backend.State.ASLEEP


def test_looking_a_hundred_times_keeps_nothing_awake(provider: ScriptedProvider, settings: Any) -> None:
    awake(provider)
    earlier(settings.LLM_GPU_IDLE_S + 1, "used_at")
    asked = provider.times("/v1/models")

    for _ in range(100):
        probes.probe()

    assert provider.times("/v1/models") == asked
    assert Backend.objects.get(name="gpu").state == Backend.State.READY
    assert state_after() == State.ASLEEP


# --- ready ---


def test_it_is_not_ready_before_the_wanted_model_is_listed(provider: ScriptedProvider) -> None:
    provider.lists = ["somebody-else"]
    ask()

    assert state_after(3) == State.WAKING


def test_fallbacks_are_taken_in_order_and_named(provider: ScriptedProvider, settings: Any) -> None:
    settings.LLM_GPU = {**settings.LLM_GPU, "fallbacks": ["first", "second"]}
    provider.lists = ["second", "first"]
    ask()

    assert state_after(2) == State.READY
    assert Wake.objects.get().model == "first" == wake.status("gpu").model


def test_a_model_with_ollamas_tag_is_the_wanted_one(provider: ScriptedProvider) -> None:
    provider.lists = ["wagmi-large:latest"]
    ask()

    assert state_after(2) == State.READY


# --- the lease ---


def test_a_holder_that_is_alive_keeps_its_lease(provider: ScriptedProvider) -> None:
    row = awake(provider)

    assert not tending.take(row, "another")
    assert tending.take(row, tending.holder())


def test_a_silent_holder_is_overtaken_with_a_newer_fence_and_can_do_nothing_more(
    provider: ScriptedProvider, settings: Any
) -> None:
    old = awake(provider)
    earlier(settings.LLM_GPU_HEARTBEAT_S * 3 + 1, "heartbeat_at")
    new = Wake.objects.get()

    assert tending.take(new, "another") and new.fence > old.fence
    assert not tending.end(old, "idle") and not tending.take(old, tending.holder())
    assert Wake.objects.get().state == State.READY


def test_fences_grow_over_all_wakes(provider: ScriptedProvider, settings: Any) -> None:
    first = awake(provider).fence
    earlier(settings.LLM_GPU_IDLE_S + 1, "used_at")
    assert state_after() == State.ASLEEP

    assert awake(provider).fence > first


def test_our_own_server_refuses_an_overtaken_holder(provider: ScriptedProvider, settings: Any) -> None:
    use(settings, provider, "on_demand")
    old = awake(provider)
    provider.fence = old.fence + 1

    with pytest.raises(Fenced):
        driver().sleep(old.fence)
    earlier(settings.LLM_GPU_IDLE_S + 1, "used_at")
    assert state_after() == State.SLEEPING and provider.word == "running"


# --- ends ---


def test_idle_it_goes_to_sleep_and_what_was_not_billed_is_given_back(provider: ScriptedProvider, settings: Any) -> None:
    awake(provider)
    assert reserved_s() == budget.hard_limit_s()
    provider.bills = 42.0

    earlier(settings.LLM_GPU_IDLE_S + 1, "used_at")

    assert state_after() == State.ASLEEP and provider.word == "stopped"
    assert Wake.objects.get().billed_s == 42 == reserved_s()
    assert Wake.objects.get().failure == ""


def test_without_a_bill_the_clock_counts_from_the_wake_call(provider: ScriptedProvider, settings: Any) -> None:
    awake(provider)
    earlier(settings.LLM_GPU_IDLE_S + 30)

    assert state_after() == State.ASLEEP
    assert 150 <= (Wake.objects.get().billed_s or 0) <= 153 and reserved_s() == Wake.objects.get().billed_s


def test_what_is_used_stays_awake(provider: ScriptedProvider, settings: Any) -> None:
    awake(provider)
    earlier(settings.LLM_GPU_IDLE_S + 1, "used_at")
    wake._touched.clear()

    wake.touch("gpu")

    assert state_after() == State.READY


def test_touching_costs_one_statement_in_five_seconds(
    provider: ScriptedProvider, django_assert_num_queries: Any
) -> None:
    awake(provider)
    wake._touched.clear()

    with django_assert_num_queries(1):
        for _ in range(100):
            wake.touch("gpu")


def test_a_reservation_that_is_over_ends_it_before_the_switch_has_to(provider: ScriptedProvider, settings: Any) -> None:
    awake(provider)
    soon = timezone.now() + datetime.timedelta(seconds=settings.LLM_GPU_SWITCH_S)
    Wake.objects.update(covered_until=soon)

    assert state_after() == State.ASLEEP
    assert Wake.objects.get().failure == "reservation_over"


def test_switched_off_it_goes_to_sleep_at_once(provider: ScriptedProvider) -> None:
    awake(provider)
    Backend.objects.filter(name="gpu").update(enabled=False)

    assert state_after() == State.ASLEEP and provider.word == "stopped"


def test_switched_off_before_the_call_nothing_is_called_and_nothing_billed(provider: ScriptedProvider) -> None:
    ask()
    Model.objects.filter(public_id="wagmi-large").update(enabled=False)

    assert state_after() == State.ASLEEP
    assert provider.requests == [] and reserved_s() == 0


def test_a_machine_that_cannot_be_told_is_asleep_after_its_own_limit_and_billed_for_it(
    provider: ScriptedProvider, settings: Any
) -> None:
    use(settings, provider, "wake_url")
    settings.LLM_GPU_STATE_URL = ""
    settings.LLM_GPU_PROVIDER_LIMIT_S = 150.0
    awake(provider)
    earlier(settings.LLM_GPU_IDLE_S + 1)
    assert state_after() == State.SLEEPING
    asked = len(provider.requests)

    earlier(30)

    assert state_after() == State.ASLEEP and len(provider.requests) == asked
    assert 150 <= (Wake.objects.get().billed_s or 0) <= 153


# --- faults ---


def test_fault_17_a_refused_wake_is_tried_once_more(provider: ScriptedProvider) -> None:
    provider.status = 500
    ask()
    assert state_after() == State.WAKING

    provider.status = 0

    assert state_after(2) == State.READY and provider.times("/start") == 2


def test_fault_17_a_wake_refused_twice_has_failed_and_its_bill_is_closed(provider: ScriptedProvider) -> None:
    provider.status = 500
    ask()
    state_after(2)

    provider.status = 0

    assert state_after() == State.FAILED and Wake.objects.get().failure == "refused"
    assert provider.times("/start") == 2 and reserved_s() == Wake.objects.get().billed_s
    assert wake.status("gpu").failure == "refused"


def test_fault_17_a_wake_that_takes_too_long_is_stopped_tried_once_more_and_has_failed(
    provider: ScriptedProvider, settings: Any
) -> None:
    provider.up_after_s = 10_000
    ask()
    state_after(2)

    earlier(settings.LLM_GPU_WAKE_TIMEOUT_S + 1)
    assert state_after() == State.WAKING and provider.times("/stop") == 1 and provider.times("/start") == 2
    earlier(settings.LLM_GPU_WAKE_TIMEOUT_S + 1)

    assert state_after() == State.FAILED and Wake.objects.get().failure == "timeout"
    assert provider.word == "stopped" and reserved_s() == Wake.objects.get().billed_s


def test_fault_17_the_retry_ends_with_what_was_reserved(provider: ScriptedProvider, settings: Any) -> None:
    provider.up_after_s = 10_000
    ask()
    state_after(2)
    earlier(settings.LLM_GPU_WAKE_TIMEOUT_S + 1)
    state_after()

    earlier(settings.LLM_GPU_WAKE_TIMEOUT_S - 10, "requested_at", "waking_at", "attempted_at", "covered_until")
    earlier(settings.LLM_GPU_WAKE_TIMEOUT_S, "covered_until")

    assert state_after() == State.FAILED and provider.word == "stopped"
    assert (Wake.objects.get().billed_s or 0) <= budget.hard_limit_s()


def test_fault_17_a_machine_that_dies_awake_is_noticed_and_its_bill_closed(
    provider: ScriptedProvider, settings: Any
) -> None:
    awake(provider)
    provider.started_at = None

    earlier(settings.LLM_GPU_HEARTBEAT_S + 1, "heartbeat_at")

    assert state_after() == State.FAILED and Wake.objects.get().failure == "died"
    assert reserved_s() == Wake.objects.get().billed_s


def test_after_a_failure_nothing_is_woken_for_a_minute_doubled_each_time(
    provider: ScriptedProvider, settings: Any
) -> None:
    provider.status = 500
    pauses = []
    for _ in range(6):
        ask()
        state_after(2)
        provider.status = 0
        state_after()
        provider.status = 500
        until = wake.cooling_until("gpu")
        assert until is not None
        pauses.append(round((until - Wake.objects.latest("id").ended_at).total_seconds()))  # type: ignore[operator]
        with pytest.raises(WakeRefused) as refused:
            ask()
        assert refused.value.reason == "cooling_down"
        Wake.objects.update(ended_at=F("ended_at") - datetime.timedelta(hours=1))

    assert pauses == [60, 120, 240, 480, 900, 900]


def test_a_provider_that_is_away_at_sleep_is_asked_again_and_nothing_new_is_woken(
    provider: ScriptedProvider, settings: Any
) -> None:
    awake(provider)
    earlier(settings.LLM_GPU_IDLE_S + 1, "used_at")
    provider.status = 503

    assert state_after(3) == State.SLEEPING and provider.times("/stop") == 3
    with pytest.raises(WakeRefused) as refused:
        ask()
    provider.status = 0

    assert refused.value.reason == "sleeping"
    assert state_after() == State.ASLEEP and reserved_s() == Wake.objects.get().billed_s


# --- the dead man's switch ---


def test_the_switch_leaves_alone_what_is_tended(provider: ScriptedProvider) -> None:
    awake(provider)

    Switch().look()

    assert Wake.objects.get().state == State.READY


@pytest.mark.parametrize("why", ["heartbeat", "reservation", "never taken"])
def test_the_switch_puts_to_sleep_what_nobody_tends_and_closes_the_bill(
    provider: ScriptedProvider, settings: Any, why: str
) -> None:
    if why == "never taken":
        ask()
    else:
        awake(provider)
    if why == "reservation":
        Wake.objects.update(covered_until=timezone.now())
    else:
        earlier(settings.LLM_GPU_SWITCH_S + 1)

    Switch().look()

    row = Wake.objects.get()
    assert (row.state, row.failure) == (State.ASLEEP, "switch")
    assert provider.word == "stopped" and reserved_s() == row.billed_s


def test_the_switch_keeps_trying_while_the_provider_is_away(provider: ScriptedProvider, settings: Any) -> None:
    awake(provider)
    earlier(settings.LLM_GPU_SWITCH_S + 1)
    provider.status = 500
    switch = Switch()
    switch.look()
    assert Wake.objects.get().state == State.SLEEPING
    provider.status = 0

    switch.look()

    assert Wake.objects.get().state == State.ASLEEP


def test_the_switch_puts_everything_to_sleep_when_the_site_stops(provider: ScriptedProvider) -> None:
    awake(provider)

    assert Switch().end_all()

    assert Wake.objects.get().state == State.ASLEEP and provider.word == "stopped"
    assert Wake.objects.get().failure == "site_stopped"


# --- seeing it ---


def test_a_machine_that_does_not_go_to_sleep_is_an_alarm(provider: ScriptedProvider, settings: Any) -> None:
    awake(provider)
    earlier(settings.LLM_GPU_IDLE_S + 1, "used_at")
    provider.status = 500
    state_after()
    assert wake_alarms.still_awake() == []

    earlier(settings.LLM_GPU_SWITCH_S + 1, "sleeping_at")

    assert len(wake_alarms.still_awake()) == 1 and wake_alarms.untended() == []


def test_a_wake_that_neither_worker_nor_switch_tends_is_an_alarm(provider: ScriptedProvider, settings: Any) -> None:
    awake(provider)
    assert wake_alarms.untended() == []

    earlier(2 * settings.LLM_GPU_SWITCH_S + 1)

    assert len(wake_alarms.untended()) == 1


def almost_uncovered(row: Wake, left_s: float) -> None:
    covered = timezone.now() + datetime.timedelta(seconds=left_s)
    Wake.objects.filter(pk=row.pk).update(covered_until=covered, used_at=timezone.now())


def test_a_wake_that_was_paid_for_since_its_row_was_read_stays_awake(provider: ScriptedProvider) -> None:
    row = awake(provider)
    almost_uncovered(row, 30)
    read_before = Wake.objects.get(pk=row.pk)

    assert budget.extend(row.pk, AskerClass.SIGNED_IN, uuid.uuid4())
    tending.step(read_before, driver())

    assert Wake.objects.get(pk=row.pk).state == State.READY and provider.times("/stop") == 0


def test_the_switch_leaves_a_wake_that_was_paid_for_since_it_read_the_row(provider: ScriptedProvider) -> None:
    row = awake(provider)
    almost_uncovered(row, -1)
    read_before = Wake.objects.get(pk=row.pk)
    almost_uncovered(row, 300)

    Switch()._look_at(read_before, driver())

    now = Wake.objects.get(pk=row.pk)
    assert (now.state, now.fence) == (State.READY, row.fence) and provider.times("/stop") == 0


def test_what_is_paid_for_is_in_use_and_not_idle(provider: ScriptedProvider, settings: Any) -> None:
    row = awake(provider)
    earlier(settings.LLM_GPU_IDLE_S + 1, "used_at")
    read_before = Wake.objects.get(pk=row.pk)

    assert budget.extend(row.pk, AskerClass.SIGNED_IN, uuid.uuid4())
    tending.step(read_before, driver())

    assert state_after() == State.READY


def test_the_status_says_how_long_it_took_and_usually_takes(provider: ScriptedProvider, settings: Any) -> None:
    for seconds in (10, 30, 20):
        awake(provider)
        earlier(seconds, "requested_at")
        earlier(settings.LLM_GPU_IDLE_S + 1, "used_at")
        state_after()
    provider.up_after_s = 60
    ask()
    state_after()
    earlier(5, "requested_at")

    found = wake.status("gpu")

    assert found.state == State.WAKING and 5 <= found.elapsed_s < 7
    assert 20 <= (found.typical_s or 0) < 21


def test_before_the_first_wake_it_is_asleep_and_nothing_is_typical(provider: ScriptedProvider) -> None:
    assert wake.status("gpu") == wake.WakeStatus(state=State.ASLEEP)


@pytest.mark.django_db(transaction=True)
async def test_many_readers_share_one_reading_and_a_request_is_seen_at_once(provider: ScriptedProvider) -> None:
    wake.forget("gpu")
    before = await asyncio.gather(*(wake.current("gpu") for _ in range(100)))

    await asyncio.to_thread(lambda: (ask(), connection.close()))
    after = await wake.current("gpu")

    assert {found.state for found in before} == {State.ASLEEP} and len({id(found) for found in before}) == 1
    assert after.state == State.REQUESTED
