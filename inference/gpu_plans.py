"""Which entries a reservation, a change of asker and a bill put into the ledger. Nothing here writes."""

import datetime
import math
from collections.abc import Iterable, Sequence

from django.conf import settings

from inference import gpu_ledger
from inference.errors import BudgetSpent
from inference.gpu_ledger import Amount, Asker, Hold, Kind
from inference.gpu_limits import Scope, caps
from inference.models import GpuLedgerEntry, Wake

Entries = list[GpuLedgerEntry]
# A wake that goes to sleep takes no further answer.
ANSWERING = (Wake.State.REQUESTED, Wake.State.WAKING, Wake.State.READY)


def answer_limit_s() -> int:
    """Return the seconds an awake backend may at most go on for one more answer: the answer, then idle, then the
    switch, then a started granule."""
    return math.ceil(
        settings.LLM_GPU_ANSWER_MAX_S + settings.LLM_GPU_IDLE_S + settings.LLM_GPU_SWITCH_S + settings.LLM_GPU_GRANULE_S
    )


def hard_limit_s() -> int:
    """Return the seconds that one wake for one answer may at most be billed."""
    return math.ceil(settings.LLM_GPU_WAKE_TIMEOUT_S) + answer_limit_s()


def first(wake: Wake, asker: Asker, now: datetime.datetime) -> GpuLedgerEntry:
    return gpu_ledger.entry(wake, Kind.RESERVED, asker, begins=0, ends=hard_limit_s(), day=utc_day(now), at=now)


def handed_over(wake: Wake, asker: Asker, now: datetime.datetime) -> Entries:
    """Return the entries that end the present hold now and give the new asker the rest, long enough for an answer."""
    entries = list(wake.ledger.order_by("id")) if wake.pk else []
    hold = gpu_ledger.latest_hold(entries)
    until = sum(row.seconds for row in entries)
    left = max(0, math.floor((wake.covered_until - now).total_seconds())) if wake.covered_until else 0
    left = min(left, hold.seconds if hold else 0)  # a clock that was set back takes from nobody before
    here = until - left
    ends = max(until, here + answer_limit_s())
    today = utc_day(now)
    if hold is None or (hold.asker, hold.day) == (asker, today):
        here = until
    plan = []
    if hold and here < until:
        plan.append(gpu_ledger.entry(wake, Kind.HANDED_ON, hold.asker, begins=until, ends=here, day=hold.day, at=now))
    if here < ends:
        plan.append(gpu_ledger.entry(wake, Kind.EXTENDED, asker, begins=here, ends=ends, day=today, at=now))
    return plan


def settlement(wake: Wake, entries: Sequence[GpuLedgerEntry], bill: int, now: datetime.datetime) -> Entries:
    held = gpu_ledger.holds(entries) or [Hold(Asker(wake.asker_class), utc_day(now))]
    weights = [hold.seconds for hold in held]
    last = held.index(_last(held, entries))
    if bill > sum(weights):
        kind = Kind.CORRECTED
        targets = weights
        targets[last] += bill - sum(weights)
    else:
        first_time = not any(row.kind in (Kind.GIVEN_BACK, Kind.CORRECTED) for row in entries)
        if first_time and wake.covered_until and wake.ended_at:
            # The last asker's worst case did not happen: their share begins with what really passed.
            unused = math.floor((wake.covered_until - wake.ended_at).total_seconds())
            weights[last] -= max(0, min(unused, weights[last], sum(weights) - bill))
        kind = Kind.GIVEN_BACK
        targets = gpu_ledger.shares(bill, weights)
    plan = []
    place = 0
    for hold, target in zip(held, targets, strict=True):
        money = gpu_ledger.cost(place + target) - gpu_ledger.cost(place)
        place += target
        if target != hold.seconds or money != hold.microusd:
            row = gpu_ledger.entry(wake, kind, hold.asker, begins=hold.seconds, ends=target, day=hold.day, at=now)
            row.microusd = money - hold.microusd
            plan.append(row)
    return plan


def _last(held: list[Hold], entries: Sequence[GpuLedgerEntry]) -> Hold:
    latest = gpu_ledger.latest_hold(entries)
    if latest is None:
        return held[-1]
    return next(hold for hold in held if (hold.asker, hold.day) == (latest.asker, latest.day))


def refusal(
    asker: Asker, now: datetime.datetime, *, wakes: Iterable[Wake] = (), scopes: Sequence[str] = ()
) -> BudgetSpent | None:
    """Return why one more answer of the large tier does not fit, None when it does: in one of the open ``wakes``, or
    else with a new one. ``scopes`` are the caps to look at, all that count this asker if none is named.

    Reads without the lock: for display, never for a decision.
    """
    found: BudgetSpent | None = None
    plans = [handed_over(wake, asker, now) for wake in wakes] or [[first(Wake(), asker, now)]]
    for plan in plans:
        found = too_much(plan, asker, now, scopes)
        if found is None:
            break
    return found


def too_much(
    plan: Sequence[GpuLedgerEntry], asker: Asker, now: datetime.datetime, scopes: Sequence[str] = ()
) -> BudgetSpent | None:
    """Return which cap the plan would pass: of several, the one that opens again last. What adds nothing passes."""
    scopes = scopes or [Scope.ALL, asker.asker_class, *([Scope.PERSON] if asker.subject else [])]
    today = utc_day(now)
    passed: list[BudgetSpent] = []
    for cap in caps(scopes):
        first_day = cap.begins(today)
        added = Amount()
        for row in plan:
            if row.day >= first_day and row.counts_for(cap.scope, asker.subject):
                added += Amount(row.seconds, row.microusd)
        if added.seconds <= 0:
            continue
        taken = gpu_ledger.used(cap.scope, asker.subject, first_day) + added
        if taken.seconds > cap.seconds or taken.microusd > cap.microusd:
            passed.append(BudgetSpent(cap.scope, cap.window, cap.resets_at(today)))
    return max(passed, key=lambda spent: spent.resets_at, default=None)


def elapsed_s(wake: Wake, now: datetime.datetime) -> int:
    """Return the seconds since the wake call went out, for a driver that cannot tell; none when it never did."""
    if wake.waking_at is None:
        return 0
    return max(0, math.ceil(((wake.ended_at or now) - wake.waking_at).total_seconds()))


def in_granules(seconds: int) -> int:
    granule = max(1, math.ceil(settings.LLM_GPU_GRANULE_S))
    return math.ceil(seconds / granule) * granule


def utc_day(now: datetime.datetime) -> datetime.date:
    return now.astimezone(datetime.UTC).date()
