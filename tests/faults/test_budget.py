"""The GPU's budget where clocks change, processes die and everybody comes at once."""

import datetime
import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum

from inference import budget, budget_state, gpu_ledger, gpu_limits
from inference.errors import BudgetSpent
from inference.models import AskerClass, GpuLedgerEntry, GpuLimit, Wake
from tests.live import Site, running_site, wait_for

Scope, Window = GpuLimit.Scope, GpuLimit.Window
ALICE = uuid.UUID(int=1)
MINUTE = datetime.timedelta(minutes=1)
# The ends of days and months that calendars get wrong: leap days, both changes of European clocks, a new year.
ENDS = [
    "2028-02-28", "2028-02-29", "2027-02-28", "2026-03-28", "2026-03-29", "2026-03-31", "2026-10-24", "2026-10-25",
    "2026-11-30", "2026-12-31",
]  # fmt: skip


@pytest.fixture
def one_wake_a_day(settings: Any, db: None) -> Iterator[None]:
    """A budget for one wake of ten minutes in a UTC day, and for two in a month."""
    settings.LLM_GPU_WAKE_TIMEOUT_S, settings.LLM_GPU_ANSWER_MAX_S = 300.0, 120.0
    settings.LLM_GPU_IDLE_S, settings.LLM_GPU_SWITCH_S, settings.LLM_GPU_GRANULE_S = 110.0, 60.0, 10.0
    settings.LLM_GPU_DAY_S, settings.LLM_GPU_MONTH_S, settings.LLM_GPU_MONTH_USD = 600, 1200, 1000.0
    settings.LLM_GPU_PAYING_SHARE, settings.LLM_GPU_PERSON_DAY_S = 0.0, 1200
    budget_state.forget()
    yield
    budget_state.forget()


def use(at: datetime.datetime, *, billed_s: int = 600) -> None:
    """Wake it, let it sleep and settle the bill."""
    wake = Wake.objects.create(backend="gpu", asker_class=AskerClass.SIGNED_IN)
    try:
        budget.reserve(wake, AskerClass.SIGNED_IN, ALICE, now=at)
    except BudgetSpent:
        wake.delete()
        raise
    wake.state, wake.billed_s, wake.ended_at = Wake.State.ASLEEP, billed_s, at + datetime.timedelta(seconds=billed_s)
    wake.save()
    budget.settle(wake)


def held() -> int:
    return GpuLedgerEntry.objects.aggregate(sum=Sum("seconds"))["sum"] or 0


@pytest.mark.parametrize("last_day", ENDS)
@pytest.mark.usefixtures("one_wake_a_day")
def test_fault_24_a_day_ends_once_at_midnight_utc(last_day: str) -> None:
    day = datetime.date.fromisoformat(last_day)
    midnight = datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), datetime.UTC)

    use(midnight - 600 * MINUTE)
    for minutes in (599, 120, 61, 1):  # the hours in which European clocks change are among them
        with pytest.raises(BudgetSpent) as spent:
            use(midnight - minutes * MINUTE)
        assert spent.value.resets_at == midnight
    use(midnight)
    with pytest.raises(BudgetSpent):
        use(midnight + MINUTE)

    assert held() == 1200


@pytest.mark.parametrize("last_day", [day for day in ENDS if day in ("2028-02-29", "2027-02-28", "2026-12-31")])
@pytest.mark.usefixtures("one_wake_a_day")
def test_fault_24_a_month_ends_once_after_its_last_day(last_day: str) -> None:
    last = datetime.datetime.combine(datetime.date.fromisoformat(last_day), datetime.time(12), datetime.UTC)
    day = datetime.timedelta(days=1)

    use(last - 2 * day)
    use(last - day)
    with pytest.raises(BudgetSpent) as spent:
        use(last)

    assert spent.value.window == Window.MONTH
    assert spent.value.resets_at == datetime.datetime.combine(last.date() + day, datetime.time(), datetime.UTC)
    use(spent.value.resets_at)


@pytest.mark.usefixtures("one_wake_a_day")
def test_fault_24_what_is_given_back_after_midnight_counts_on_the_day_it_was_reserved() -> None:
    midnight = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)

    use(midnight - MINUTE, billed_s=200)

    by_day = dict(GpuLedgerEntry.objects.order_by().values_list("day").annotate(sum=Sum("seconds")))
    assert by_day == {datetime.date(2026, 11, 30): 200}
    use(midnight)
    with pytest.raises(BudgetSpent):
        use(midnight + MINUTE)


@pytest.mark.usefixtures("one_wake_a_day")
def test_fault_24_a_clock_that_is_set_back_gives_nobody_a_second_day() -> None:
    use(datetime.datetime(2026, 11, 22, 0, 5, tzinfo=datetime.UTC))

    with pytest.raises(BudgetSpent):
        use(datetime.datetime(2026, 11, 21, 23, 55, tzinfo=datetime.UTC))


@pytest.mark.django_db(transaction=True)
def test_answers_at_once_and_a_settlement_leave_exact_sums(settings: Any) -> None:
    settings.LLM_GPU_DAY_S, settings.LLM_GPU_MONTH_S, settings.LLM_GPU_MONTH_USD = 20_000, 200_000, 1000.0
    settings.LLM_GPU_PERSON_DAY_S, settings.LLM_GPU_USD_PER_HOUR = 20_000, 0.7
    wake = Wake.objects.create(backend="gpu", asker_class=AskerClass.SIGNED_IN, state=Wake.State.READY)
    budget.reserve(wake, AskerClass.SIGNED_IN, ALICE)
    people = [uuid.UUID(int=number) for number in range(1, 31)]

    def answer(person: uuid.UUID) -> bool:
        try:
            return budget.extend(wake.pk, AskerClass.SIGNED_IN, person)
        finally:
            connection.close()

    connection.close()
    with ThreadPoolExecutor(7) as pool:
        assert all(pool.map(answer, people))
    wake.refresh_from_db()
    assert held() == budget.hard_limit_s()  # all of them fit into what the first had reserved
    wake.state, wake.billed_s = Wake.State.ASLEEP, 77
    wake.save()
    budget.settle(wake)

    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(seconds), sum(microusd) FROM inference_gpuledgerentry")
        assert cursor.fetchone() == (77, gpu_ledger.cost(77))
        cursor.execute(
            "SELECT min(sum) FROM (SELECT sum(seconds) FROM inference_gpuledgerentry GROUP BY subject) people"
        )
        assert cursor.fetchone()[0] >= 0


RESERVE = """
import os, signal, uuid
from django.db import transaction
from inference import budget, wake
from inference.models import AskerClass
with transaction.atomic():
    wake.request("gpu", asker_class=AskerClass.SIGNED_IN, subject=uuid.uuid4(), reserve=budget.reserve)
    if {commits}:
        transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    else:
        os.kill(os.getpid(), signal.SIGKILL)
"""
LOOK = """
import json
from django.db.models import Sum
from inference.models import GpuLedgerEntry, Wake
sums = GpuLedgerEntry.objects.aggregate(seconds=Sum("seconds"))
last = Wake.objects.order_by("-id").first()
print(json.dumps({{"held": sums["seconds"] or 0, "state": last and last.state, "billed": last and last.billed_s}}))
"""


@pytest.fixture(scope="module")
def sleeping_site() -> Iterator[Site]:
    """A site with a large tier that sleeps soon, and no worker yet."""
    short = {"LLM_GPU_IDLE_S": "1", "LLM_GPU_TEND_S": "0.5", "LLM_GPU_WAKE_TIMEOUT_S": "30"}
    with running_site(model=False, large=True, LLM_CPU_URL="http://127.0.0.1:9", **short) as site:
        yield site


def look(site: Site) -> dict[str, Any]:
    return json.loads(site.manage("shell", "-v", "0", "-c", LOOK.format()).splitlines()[-1])  # type: ignore[no-any-return]


def killed(site: Site, code: str) -> None:
    with pytest.raises(AssertionError):  # a process that was killed does not exit with 0
        site.manage("shell", "-v", "0", "-c", code)


@pytest.mark.slow
def test_a_process_killed_before_its_reservation_is_written_reserves_nothing(sleeping_site: Site) -> None:
    killed(sleeping_site, RESERVE.format(commits=False))

    assert look(sleeping_site) == {"held": 0, "state": None, "billed": None}


@pytest.mark.slow
def test_a_process_killed_after_its_reservation_leaves_a_wake_that_is_ended_and_settled(sleeping_site: Site) -> None:
    killed(sleeping_site, RESERVE.format(commits=True))
    assert look(sleeping_site)["held"] > 60

    sleeping_site.start_worker()

    wait_for(lambda: "-> asleep" in sleeping_site.log("worker"), 90)
    found = look(sleeping_site)
    assert found["held"] == found["billed"]
    assert 0 < found["held"] < 60


def test_limits_of_the_environment_are_written_when_a_site_starts(sleeping_site: Site) -> None:
    scopes = sleeping_site.manage(
        "shell", "-v", "0", "-c", "from inference.models import GpuLimit; print(GpuLimit.objects.count())"
    )

    assert int(scopes) == len(gpu_limits.defaults())
