"""The forecast: the same seed gives the same month, no cap is ever overrun, and its ledger is the budget's."""

import datetime
import json
import random
import uuid
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from inference import budget, forecast_assumptions, forecast_report, gpu_ledger, gpu_limits
from inference.errors import BudgetSpent
from inference.forecast import DAYS, arrivals
from inference.forecast_assumptions import Assumptions
from inference.forecast_ledger import Account, Cap, Ledger, Reservation, Scope, Window, in_seconds
from inference.models import AnswerTally, AskerClass, Wake

MIDNIGHT = datetime.datetime(2026, 11, 11, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def _budget(settings: Any) -> None:
    """The defaults of the settings, whatever the environment of this machine says."""
    settings.MACHINE_USD_PER_MONTH = 50.0
    settings.LLM_GPU_USD_PER_HOUR = 0.0
    settings.LLM_GPU_DAY_S, settings.LLM_GPU_MONTH_S = 7200, 180_000
    settings.LLM_GPU_MONTH_USD, settings.LLM_GPU_PAYING_SHARE = 40.0, 0.4
    settings.LLM_GPU_PERSON_DAY_S = 1800


def forecast(months: int = 10, seed: int = 1, **given: Any) -> dict[str, Any]:
    assumed = forecast_assumptions.given(forecast_assumptions.from_settings(), **given)
    caps = in_seconds(gpu_limits.defaults(), assumed.usd_per_gpu_hour)
    return forecast_report.summary(forecast_report.run(assumed, caps, months=months, seed=seed))


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("forecast", *arguments, stdout=out)
    return out.getvalue()


def test_the_same_seed_gives_the_same_figures_and_another_gives_others() -> None:
    assert forecast(seed=3) == forecast(seed=3)
    assert forecast(seed=3)["gpu_hours_p50"] != forecast(seed=4)["gpu_hours_p50"]


def test_a_month_with_the_missions_figures_stays_under_a_hundred_dollars() -> None:
    found = forecast(months=60)

    assert found["usd_p95"] < 100
    assert found["cap_overruns"] == 0
    assert 45 <= found["usd_by_item"]["base"]["p50"] <= found["usd_by_item"]["base"]["p95"] <= 55
    assert found["usd_by_item"]["gpu"]["p50"] > 0


def test_more_visitors_cost_more_until_the_cap_binds() -> None:
    costs = [forecast(visitors_per_day=visitors)["usd_by_item"]["gpu"]["p50"] for visitors in (20, 60, 180, 600)]
    crowded, more_crowded = (forecast(months=3, visitors_per_day=visitors) for visitors in (3_000, 6_000))

    assert costs == sorted(costs) and costs[0] < costs[2]
    assert more_crowded["usd_by_item"]["gpu"]["p50"] == pytest.approx(crowded["usd_by_item"]["gpu"]["p50"], rel=0.05)
    assert crowded["p_cap_binds"] == 1
    assert crowded["share_on_cpu"] > 0.5


@pytest.mark.parametrize(
    "given",
    [
        {"visitors_per_day": 20_000},
        {"visitors_per_day": 8_000, "paying_share": 0.5},
        {"visitors_per_day": 2_000, "answer_tokens": 100_000, "wake_s": 290},
        {"visitors_per_day": 2_000, "usd_per_gpu_hour": 30},
        {"visitors_per_day": 500, "people": 3, "wake_s": 10_000},
    ],
)
def test_no_cap_is_overrun_however_absurd_the_month(given: dict[str, float]) -> None:
    found = forecast(months=2, **given)

    assert found["cap_overruns"] == 0
    assert found["usd_by_item"]["gpu"]["p95"] <= 40
    assert found["gpu_hours_p95"] <= found["gpu_hours_cap"]


def test_an_overrun_would_be_seen() -> None:
    assumed = Assumptions(visitors_per_day=100)
    run = forecast_report.run(assumed, [Cap(Scope.ALL, Window.MONTH, 20_000)], months=2, seed=1)
    run.months[0].billed_s = 20_001
    run.months[1].uncovered = 1

    assert forecast_report.summary(run)["cap_overruns"] == 2


def test_a_bill_above_the_reservation_shows_as_an_overrun_of_the_window() -> None:
    ledger = Ledger([Cap(Scope.ALL, Window.DAY, 700)])
    wake = ledger.reserve(Account("signed_in", 1, 0), seconds=601, at=0)
    assert isinstance(wake, Reservation)

    ledger.settle(wake, billed_s=701, ended_at=701)

    assert ledger.overrun()


def test_what_is_kept_for_paying_customers_is_not_drained_by_free_use() -> None:
    crowd = forecast(months=2, visitors_per_day=3_000, paying_share=0.0)
    assert crowd["gpu_hours_p95"] <= crowd["gpu_hours_cap"] * 0.6

    mixed = forecast(months=2, visitors_per_day=3_000, paying_share=0.5)
    assert mixed["gpu_hours_p95"] > crowd["gpu_hours_p95"]


def test_a_class_is_tight_when_four_fifths_of_its_own_cap_are_gone() -> None:
    ledger = Ledger([Cap(Scope.ALL, Window.DAY, 10_000), Cap(Scope.SIGNED_IN, Window.DAY, 750)])

    ledger.reserve(Account("signed_in", 1, 0), seconds=600, at=0)

    assert ledger.tight(Account("signed_in", 2, 0))
    assert not ledger.tight(Account("paying", 3, 0))
    assert not ledger.tight(Account("signed_in", 2, 1))


def test_the_document_lists_every_assumption_with_its_value_and_source(settings: Any) -> None:
    document = (settings.BASE_DIR / "docs" / "forecast.md").read_text()

    for name, hint in Assumptions.hints().items():
        value = getattr(Assumptions(), name)
        shown = "by hour" if isinstance(value, tuple) else f"{value:g}"
        assert f"| `{name}` | {shown} | {hint} | {Assumptions.sources()[name]} |" in document


def test_visits_follow_the_hours_of_the_day() -> None:
    assumed = Assumptions(sign_ins_per_day=200, hours=(0,) * 12 + (1,) + (0,) * 11, large_share=1.0, question_gap_s=1)

    asks = list(arrivals(assumed, random.Random(1)))

    assert [ask.at for ask in asks] == sorted(ask.at for ask in asks)
    assert {int(ask.at % 86_400 // 3600) for ask in asks} <= {12, 13}  # the last visit may run over the hour
    assert len(asks) == pytest.approx(200 * DAYS * assumed.questions_per_visitor, rel=0.1)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(4))
def test_the_ledger_of_a_forecast_is_the_budgets_on_the_same_day(settings: Any, seed: int) -> None:
    settings.LLM_GPU_USD_PER_HOUR = 3.6  # a thousand millionths a second: no rounding stands between the two
    settings.LLM_GPU_DAY_S, settings.LLM_GPU_MONTH_S, settings.LLM_GPU_MONTH_USD = 4000, 6000, 6.0
    chance = random.Random(seed)
    people = [uuid.UUID(int=number) for number in range(3)]
    classes = [AskerClass.SIGNED_IN.value, AskerClass.SIGNED_IN.value, AskerClass.PAYING.value]
    ledger = Ledger(in_seconds(gpu_limits.defaults(), 3.6))
    outcomes: list[str] = []
    at = 19 * 3600.0  # the day and the next, so that a wake crosses midnight

    for _number in range(24):
        row, ours = _reserve(ledger, person := chance.randrange(3), classes, people, at, outcomes)
        woken_at = at
        for _ask in range(chance.randrange(4) if ours else 0):
            person, at = chance.randrange(3), at + chance.randrange(0, 240)
            assert ours
            _extend(ledger, row, ours, person, classes, people, at, outcomes)
        if ours:
            at += chance.randrange(0, 200)
            billed_s = int(min(at, ours.covered_until) - woken_at)
            row.state, row.ended_at, row.billed_s = Wake.State.ASLEEP, _moment(at), billed_s
            row.save()
            budget.settle(row, now=_moment(at))
            ledger.settle(ours, billed_s=billed_s, ended_at=at)
        at += chance.randrange(0, 1800)
        for day in (0, 1):
            since = (MIDNIGHT + datetime.timedelta(days=day)).date()
            for scope in (Scope.ALL, Scope.PAYING, Scope.SIGNED_IN):
                counted = sum(ledger.used[(scope, each, 0)] for each in range(day, 2))
                assert gpu_ledger.used(scope, None, since).seconds == counted
            for number, subject in enumerate(people):
                counted = sum(ledger.used[(Scope.PERSON, each, number)] for each in range(day, 2))
                assert gpu_ledger.used(Scope.PERSON, subject, since).seconds == counted

    assert len(set(outcomes)) > 2  # the day met caps and passed them, or nothing was compared


def _moment(at: float) -> datetime.datetime:
    return MIDNIGHT + datetime.timedelta(seconds=at)


def _account(person: int, classes: list[str], at: float) -> Account:
    return Account(classes[person], person, int(at // 86_400))


def _reserve(
    ledger: Ledger, person: int, classes: list[str], people: list[uuid.UUID], at: float, outcomes: list[str]
) -> tuple[Wake, Reservation | None]:
    row = Wake.objects.create(
        backend="large", asker_class=classes[person], state=Wake.State.READY, waking_at=_moment(at)
    )
    ours = ledger.reserve(_account(person, classes, at), seconds=budget.hard_limit_s(), at=at)
    try:
        budget.reserve(row, classes[person], people[person], now=_moment(at))
        theirs = "reserved"
    except BudgetSpent as spent:
        row.delete()
        theirs = f"{spent.scope}/{spent.window}"
    outcomes.append(theirs)
    assert theirs == (f"{ours.scope}/{ours.window}" if isinstance(ours, Cap) else "reserved")
    return row, None if isinstance(ours, Cap) else ours


def _extend(
    ledger: Ledger,
    row: Wake,
    ours: Reservation,
    person: int,
    classes: list[str],
    people: list[uuid.UUID],
    at: float,
    outcomes: list[str],
) -> None:
    if at > ours.covered_until:
        assert not budget.extend(row.pk, classes[person], people[person], now=_moment(at))
        return
    account = _account(person, classes, at)
    bound = ledger.extend(ours, account, at=at, seconds=budget.answer_limit_s())
    try:
        assert budget.extend(row.pk, classes[person], people[person], now=_moment(at))
        theirs = "extended"
    except BudgetSpent as spent:
        theirs = f"{spent.scope}/{spent.window}"
    outcomes.append(theirs)
    assert theirs == (f"{bound.scope}/{bound.window}" if bound else "extended")
    row.refresh_from_db()
    assert row.covered_until == _moment(ours.covered_until)


@pytest.mark.django_db
def test_the_command_prints_a_table_and_writes_a_drawing(tmp_path: Path) -> None:
    file = tmp_path / "month.svg"

    said = command("--months", "3", "--svg", str(file))

    assert "Months in which the GPU cap was overrun" in said
    assert "[mission A22: under 100 USD in all]" in said and "[our assumption]" in said
    assert ElementTree.fromstring(file.read_text()).tag.endswith("svg")


@pytest.mark.django_db
def test_the_command_prints_json_that_names_where_each_assumption_comes_from() -> None:
    found = json.loads(command("--json", "--months", "2", "--seed", "5", "--visitors-per-day", "30"))

    assert {"usd_p50", "usd_p95", "cap_overruns", "gpu_hours_p50", "gpu_hours_p95", "p_cap_binds"} <= found.keys()
    assert (found["months"], found["seed"]) == (2, 5)
    assert found["assumptions"]["visitors_per_day"] == {
        "value": 30.0,
        "source": "given",
        "what": Assumptions.hints()["visitors_per_day"],
    }
    assert found["assumptions"]["sign_ins_per_day"]["value"] == pytest.approx(1.8)
    assert all(fact["source"] for fact in found["assumptions"].values())


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong", [["--months", "0"], ["--large-share", "1.5"], ["--wake-s", "0"], ["--base-usd", "-1"]]
)
def test_figures_that_make_no_sense_are_refused(wrong: list[str]) -> None:
    with pytest.raises(CommandError):
        command(*wrong)


@pytest.mark.django_db
def test_a_forecast_from_an_empty_ledger_says_that_it_knows_too_little() -> None:
    with pytest.raises(CommandError, match="Too little data: 0 days") as refused:
        command("--from-ledger")

    assert refused.value.returncode == 1


@pytest.mark.django_db
def test_a_forecast_from_the_ledger_takes_arrivals_answers_and_wakes_from_it() -> None:
    now = timezone.now()
    for back in range(1, 11):
        day = now - datetime.timedelta(days=back)
        AnswerTally.objects.create(
            day=day.date(),
            rung="large",
            tier="large",
            model="wagmi-large",
            language="en",
            answers=9,
            completion_tokens=1800,
            duration_ms=90_000,
        )
        asked = day.replace(hour=14, minute=0)
        ready = asked + datetime.timedelta(seconds=40) if back > 2 else None
        state = Wake.State.ASLEEP if ready else Wake.State.FAILED
        wake = Wake.objects.create(backend="large", asker_class="signed_in", state=state, ready_at=ready)
        Wake.objects.filter(pk=wake.pk).update(requested_at=asked)

    found = json.loads(command("--from-ledger", "--json", "--months", "2"))["assumptions"]

    assert found["answer_tokens"]["value"] == 200
    assert found["tokens_per_s"]["value"] == 20
    assert found["wake_s"]["value"] == 40
    assert found["wake_failures"]["value"] == 0.2
    asked_per_day = found["sign_ins_per_day"]["value"] * found["questions_per_visitor"]["value"]
    assert asked_per_day * found["large_share"]["value"] == pytest.approx(9)
    assert max(range(24), key=found["hours"]["value"].__getitem__) == 14
    assert found["wake_s"]["source"].startswith("ledger")
