"""The GPU ledger of a simulated month: the rules of ``inference.budget`` in memory, without rows, for speed.

A test runs the same day through both and compares every sum. Money needs no column of its own here: the price does not
change within a simulated month, so a cap on money is a cap on the seconds it buys.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from inference import gpu_limits
from inference.budget_state import TIGHT_SHARE
from inference.gpu_ledger import shares
from inference.models import GpuLimit

Scope, Window = GpuLimit.Scope, GpuLimit.Window


@dataclass(frozen=True, slots=True)
class Cap:
    """The most GPU seconds in a UTC day or month; a day of -1 in the ledger's keys stands for the month."""

    scope: str
    window: str
    seconds: int


def in_seconds(caps: Iterable[gpu_limits.Cap], usd_per_hour: float) -> list[Cap]:
    """Return the caps as seconds: the fewer of their seconds and those that their money buys."""
    microusd_per_hour = round(usd_per_hour * 1_000_000)
    return [
        Cap(
            str(cap.scope),
            str(cap.window),
            min(cap.seconds, cap.microusd * 3600 // microusd_per_hour) if microusd_per_hour else cap.seconds,
        )
        for cap in caps
    ]


@dataclass(frozen=True, slots=True)
class Account:
    """Whose seconds, and the day they count in."""

    asker_class: str
    person: int
    day: int


@dataclass(slots=True)
class Reservation:
    """What one wake holds, by account, in the order they came; ``present`` is whoever it is awake for."""

    held: dict[Account, int]
    present: Account
    present_s: int
    covered_until: float


@dataclass(slots=True)
class Ledger:
    """Seconds used and reserved in each window of a month, against its caps."""

    caps: list[Cap]
    used: Counter[tuple[str, int, int]] = field(default_factory=Counter)

    def reserve(self, account: Account, *, seconds: int, at: float) -> Reservation | Cap:
        """Reserve the hard limits for a new wake; return the cap that binds when they do not fit."""
        plan = [(account, seconds)]
        cap = self._binding(plan, account)
        if cap:
            return cap
        self._write(plan)
        return Reservation({account: seconds}, account, seconds, at + seconds)

    def extend(self, wake: Reservation, account: Account, *, at: float, seconds: int) -> Cap | None:
        """Hand the rest of a wake to whoever asks now, lengthened to ``seconds``; return the cap that binds, if one."""
        until = sum(wake.held.values())
        left = min(max(0, math.floor(wake.covered_until - at)), wake.present_s)
        added = max(until, until - left + seconds) - until
        same = account == wake.present
        plan = [(account, added)] if same else [(wake.present, -left), (account, left + added)]
        cap = self._binding(plan, account)
        if cap:
            return cap
        self._write(plan)
        for each, change in plan:
            wake.held[each] = wake.held.get(each, 0) + change
        wake.present, wake.present_s = account, (wake.present_s + added if same else left + added)
        wake.covered_until += added
        return None

    def settle(self, wake: Reservation, *, billed_s: int, ended_at: float) -> None:
        """Give back what was not billed: the last asker's unused worst case first, the rest in proportion.

        Above the reservation the last asker is charged; the timers say that it never happens.
        """
        accounts, weights = list(wake.held), list(wake.held.values())
        last, spare = accounts.index(wake.present), sum(weights) - billed_s
        if spare < 0:
            parts = weights.copy()
            parts[last] -= spare
        else:
            weights[last] -= max(0, min(math.floor(wake.covered_until - ended_at), weights[last], spare))
            parts = shares(billed_s, weights)
        self._write([(account, part - wake.held[account]) for account, part in zip(accounts, parts, strict=True)])

    def tight(self, account: Account) -> bool:
        """Return whether four fifths of a cap of everybody or of this class are gone, as the badge would say."""
        return any(
            self.used[_key(cap, account)] >= TIGHT_SHARE * cap.seconds
            for cap in self.caps
            if cap.scope in (Scope.ALL, account.asker_class)
        )

    def overrun(self) -> bool:
        """Return whether any window holds more than its cap; asked when all is settled."""
        most = {(cap.scope, cap.window): cap.seconds for cap in self.caps}
        return any(
            seconds > most.get((scope, Window.MONTH if day < 0 else Window.DAY), math.inf)
            for (scope, day, _person), seconds in self.used.items()
        )

    def _binding(self, plan: list[tuple[Account, int]], asker: Account) -> Cap | None:
        """Return the cap that a plan would pass, a month's before a day's; what adds nothing passes."""
        found = None
        most = sum(seconds for _account, seconds in plan if seconds > 0)
        for cap in self.caps:
            if cap.scope not in (Scope.ALL, Scope.PERSON, asker.asker_class):
                continue
            key = _key(cap, asker)
            if self.used[key] + most <= cap.seconds:
                continue  # nearly always, and a thousand months ask a million times
            added = sum(seconds for account, seconds in plan if _counts(cap, account, asker))
            passed = added > 0 and self.used[key] + added > cap.seconds
            if passed and (found is None or (found.window, cap.window) == (Window.DAY, Window.MONTH)):
                found = cap
        return found

    def _write(self, plan: list[tuple[Account, int]]) -> None:
        for account, seconds in plan:
            for day in (-1, account.day):
                self.used[(Scope.ALL, day, 0)] += seconds
                self.used[(account.asker_class, day, 0)] += seconds
                self.used[(Scope.PERSON, day, account.person)] += seconds


def _window(cap: Cap, day: int) -> int:
    return day if cap.window == Window.DAY else -1


def _key(cap: Cap, account: Account) -> tuple[str, int, int]:
    return (cap.scope, _window(cap, account.day), account.person if cap.scope == Scope.PERSON else 0)


def _counts(cap: Cap, account: Account, asker: Account) -> bool:
    """Return whether the window of ``asker`` under this cap counts seconds of ``account``."""
    return _key(cap, account) == _key(cap, asker) and cap.scope in (Scope.ALL, Scope.PERSON, account.asker_class)
