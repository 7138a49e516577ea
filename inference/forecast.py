"""A month of the large model, simulated: what it would cost, whether a cap binds, what people would notice.

Seconds are reserved, extended and given back by the rules of ``inference.budget`` (see ``forecast_ledger``).
"""

import heapq
import math
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from inference.forecast_assumptions import Assumptions
from inference.forecast_ledger import Account, Cap, Ledger, Reservation
from inference.models import AskerClass

DAYS = 30
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Ask:
    """One question that wants the large model, ``at`` seconds after the month began."""

    at: float
    asker_class: str
    person: int


@dataclass(slots=True)
class Month:
    """What one simulated month came to."""

    billed_s: int = 0
    wakes: int = 0
    failed_wakes: int = 0
    questions: int = 0
    upgraded: int = 0
    tight: int = 0
    waits_s: list[float] = field(default_factory=list)
    left_on_cpu: Counter[str] = field(default_factory=Counter)  # by reason
    bound: Counter[str] = field(default_factory=Counter)  # by cap, "scope window"
    billed_by_day_s: list[int] = field(default_factory=lambda: [0] * DAYS)
    overrun: bool = False
    uncovered: int = 0  # wakes that ended after what was reserved for them: the timers say never

    def refuse(self, cap: Cap) -> None:
        self.left_on_cpu["budget"] += 1
        self.bound[f"{cap.scope}/{cap.window}"] += 1

    def close(self, billed_s: int, *, day: int, failed: bool, covered: bool) -> None:
        self.wakes += 1
        self.failed_wakes += failed
        self.uncovered += not covered
        self.billed_s += billed_s
        self.billed_by_day_s[day] += billed_s


def simulate(assumed: Assumptions, caps: list[Cap], chance: random.Random) -> Month:
    """Return one month of 30 days that begins asleep with nothing used."""
    month, ledger = Month(), Ledger(caps)
    asks = arrivals(assumed, chance)
    ask = next(asks, None)
    closed_until = 0.0
    while ask:
        month.questions += 1
        if ask.at < closed_until:
            month.left_on_cpu["closing"] += 1
            ask = next(asks, None)
            continue
        wake = ledger.reserve(_account(ask, ask.at), seconds=assumed.hard_limit_s, at=ask.at)
        if isinstance(wake, Cap):
            month.refuse(wake)
            ask = next(asks, None)
            continue
        ask, closed_until = _live(wake, ask, asks, month=month, ledger=ledger, assumed=assumed, chance=chance)
    month.overrun = ledger.overrun()
    return month


def _live(
    wake: Reservation,
    first: Ask,
    asks: Iterator[Ask],
    *,
    month: Month,
    ledger: Ledger,
    assumed: Assumptions,
    chance: random.Random,
) -> tuple[Ask | None, float]:
    """Live through one wake; return the first question after it, and until when none may wake again."""
    cold_s = chance.lognormvariate(math.log(assumed.wake_s), assumed.wake_spread)
    failed = cold_s > assumed.wake_limit_s or chance.random() < assumed.wake_failures
    ready_at = first.at + (assumed.wake_limit_s if failed else cold_s)
    slots = [ready_at] * assumed.slots
    awake_until = ready_at if failed else ready_at + assumed.idle_s
    ask: Ask | None = first
    while ask and ask.at <= awake_until:
        month.questions += ask is not first
        begins_at = max(ask.at, slots[0])
        if failed:
            month.left_on_cpu["wake failed"] += 1
        elif begins_at - max(ask.at, ready_at) > assumed.queue_s:
            month.left_on_cpu["no slot"] += 1
        elif cap := ledger.extend(wake, _account(ask, begins_at), at=begins_at, seconds=assumed.answer_limits_s):
            month.refuse(cap)
        else:
            month.upgraded += 1
            month.tight += ledger.tight(_account(ask, begins_at))
            if ask.at < ready_at:
                month.waits_s.append(ready_at - ask.at)
            heapq.heapreplace(slots, begins_at + _answer_s(assumed, chance))
            awake_until = max(slots) + assumed.idle_s
        ask = next(asks, None)
    ended_at = awake_until + assumed.sleep_s
    billed_s = math.ceil((ended_at - first.at) / assumed.granule_s) * assumed.granule_s
    month.close(billed_s, day=_day(first.at), failed=failed, covered=billed_s <= sum(wake.held.values()))
    ledger.settle(wake, billed_s=billed_s, ended_at=ended_at)
    return ask, ended_at + (assumed.cool_down_s if failed else 0.0)


def _account(ask: Ask, at: float) -> Account:
    return Account(ask.asker_class, ask.person, _day(at))


def _day(at: float) -> int:
    """Return the day of the month; the last wake may run over its end and still counts in it."""
    return min(DAYS - 1, int(at // DAY_S))


def _answer_s(assumed: Assumptions, chance: random.Random) -> float:
    """Return how long one answer takes: its length is log-normal, cut at the cap, its time at the limit."""
    tokens = chance.lognormvariate(math.log(assumed.answer_tokens) - 0.125, 0.5)
    return min(min(tokens, assumed.max_tokens) / assumed.tokens_per_s, assumed.answer_limit_s)


def arrivals(assumed: Assumptions, chance: random.Random) -> Iterator[Ask]:
    """Yield the questions of a month in order: visits are Poisson by hour of day, each brings a few questions."""
    running: list[tuple[float, int, Ask]] = []  # questions of visits that began, by time
    number = 0
    for visit_at in _visits(assumed, chance):
        while running and running[0][0] <= visit_at:
            yield heapq.heappop(running)[2]
        paying = chance.random() < assumed.paying_share
        asker_class = AskerClass.PAYING if paying else AskerClass.SIGNED_IN
        person, at = chance.randrange(max(1, assumed.people)), visit_at
        for _question in range(_geometric(assumed.questions_per_visitor, chance)):
            if chance.random() < assumed.large_share and at < DAYS * DAY_S:
                number += 1
                heapq.heappush(running, (at, number, Ask(at, asker_class.value, person)))
            at += chance.expovariate(1 / assumed.question_gap_s)
    while running:
        yield heapq.heappop(running)[2]


def _visits(assumed: Assumptions, chance: random.Random) -> Iterator[float]:
    total = sum(assumed.hours)
    for hour in range(DAYS * 24):
        rate = assumed.sign_ins_per_day * assumed.hours[hour % 24] / total / 3600
        at = float(hour * 3600)
        while rate > 0 and (at := at + chance.expovariate(rate)) < (hour + 1) * 3600:
            yield at


def _geometric(mean: float, chance: random.Random) -> int:
    """Return a whole number from 1 on with this mean."""
    if mean <= 1:
        return 1
    return 1 + int(math.log(1 - chance.random()) / math.log(1 - 1 / mean))
