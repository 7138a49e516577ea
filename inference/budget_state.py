"""How the GPU budget stands, for lamps, banners and the admin: read at most every two seconds, never for a decision."""

import datetime
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from django.db.models import Sum

from compliance.database import in_thread
from inference import gpu_ledger, gpu_plans
from inference.gpu_ledger import Amount, Asker
from inference.gpu_limits import Cap, Scope, caps
from inference.models import AskerClass, GpuLedgerEntry, Wake

logger = logging.getLogger(__name__)
TIGHT_SHARE = 0.8
KEPT_S = 2.0


class Level(StrEnum):
    """ok; tight: shorter answers, paying people first; stop: the CPU answers until ``resets_at``."""

    OK = "ok"
    TIGHT = "tight"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class WindowState:
    """One cap and what of it is gone: used by wakes that are over, reserved by one that is not."""

    scope: str
    window: str
    used: Amount
    reserved: Amount
    limit: Amount
    resets_at: datetime.datetime

    @property
    def taken(self) -> Amount:
        return self.used + self.reserved

    @property
    def taken_share(self) -> float:
        """The share of the cap that is gone, of seconds or of money, whichever is more; 1 where nothing is allowed."""
        pairs = ((self.taken.seconds, self.limit.seconds), (self.taken.microusd, self.limit.microusd))
        return max((taken / limit if limit else float(taken > 0 or not self.limit.seconds)) for taken, limit in pairs)


@dataclass(frozen=True, slots=True)
class BudgetState:
    """How the budget stands for one class, or for everybody together. ``scope``, ``window`` and ``resets_at`` name the
    cap that makes it tight or stops it; empty while it is ok."""

    level: Level
    windows: tuple[WindowState, ...] = ()
    scope: str = ""
    window: str = ""
    resets_at: datetime.datetime | None = None
    # What one more answer has to reserve at most, when the backend sleeps.
    hard_limit_s: int = 0
    hard_limit_microusd: int = 0

    @property
    def is_tight(self) -> bool:
        return self.level == Level.TIGHT

    @property
    def is_stopped(self) -> bool:
        return self.level == Level.STOP


def read(asker_class: str | None = None, *, now: datetime.datetime | None = None) -> BudgetState:
    """Read the state of one class, with the caps of everybody; of everybody alone when none is named."""
    now = now or gpu_ledger.database_now()
    scopes = [Scope.ALL, asker_class] if asker_class else [Scope.ALL]
    windows = tuple(_window(cap, now) for cap in caps(scopes))
    asker = Asker(asker_class or AskerClass.SIGNED_IN)
    awake = Wake.objects.filter(state__in=gpu_plans.ANSWERING, covered_until__gt=now)
    refused = gpu_plans.refusal(asker, now, wakes=awake, scopes=scopes)
    hard_s = gpu_plans.hard_limit_s()
    state = BudgetState(Level.OK, windows, hard_limit_s=hard_s, hard_limit_microusd=gpu_ledger.cost(hard_s))
    if refused:
        return replace(state, level=Level.STOP, scope=refused.scope, window=refused.window, resets_at=refused.resets_at)
    fullest = _fullest(windows)
    if fullest and fullest.taken_share >= TIGHT_SHARE:
        return replace(
            state, level=Level.TIGHT, scope=fullest.scope, window=fullest.window, resets_at=fullest.resets_at
        )
    return state


def _fullest(windows: Sequence[WindowState]) -> WindowState | None:
    return max(windows, key=lambda window: (window.taken_share, window.resets_at), default=None)


def _window(cap: Cap, now: datetime.datetime) -> WindowState:
    today = gpu_plans.utc_day(now)
    begins = cap.begins(today)
    open_entries = GpuLedgerEntry.objects.since(begins).counting_for(cap.scope).filter(wake__state__in=Wake.OPEN)
    sums = open_entries.aggregate(seconds=Sum("seconds"), microusd=Sum("microusd"))
    reserved = Amount(sums["seconds"] or 0, sums["microusd"] or 0)
    taken = gpu_ledger.used(cap.scope, None, begins)
    return WindowState(
        scope=cap.scope,
        window=cap.window,
        used=Amount(taken.seconds - reserved.seconds, taken.microusd - reserved.microusd),
        reserved=reserved,
        limit=Amount(cap.seconds, cap.microusd),
        resets_at=cap.resets_at(today),
    )


_kept: dict[str | None, tuple[float, BudgetState]] = {}


def state(asker_class: str | None = None) -> BudgetState:
    """Return the state as this process read it at most two seconds ago."""
    kept = _fresh(asker_class)
    return kept or _keep(asker_class, read(asker_class))


async def current(asker_class: str | None = None) -> BudgetState:
    """Return ``state`` without holding up the loop. With the database away: the last one known, else stop, because
    without it nothing can be reserved either."""
    kept = _fresh(asker_class)
    if kept:
        return kept
    known = _kept.get(asker_class)
    if known:
        _keep(asker_class, known[1])  # others are served what is at hand while this one reads
    try:
        return _keep(asker_class, await in_thread(read, asker_class))
    except Exception as error:
        # Whatever the database or its driver raises while it is away.
        logger.warning("gpu budget not read (%s)", type(error).__name__)
        return known[1] if known else BudgetState(Level.STOP)


def forget() -> None:
    """Read afresh at the next call."""
    _kept.clear()


def _fresh(asker_class: str | None) -> BudgetState | None:
    kept = _kept.get(asker_class)
    return kept[1] if kept and time.monotonic() - kept[0] < KEPT_S else None


def _keep(asker_class: str | None, found: BudgetState) -> BudgetState:
    _kept[asker_class] = (time.monotonic(), found)
    return found
