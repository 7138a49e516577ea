"""Live figures for public pages and the status page: sums of the tally, what the registry holds, what probes found.

They know no text, no person and no time of day but the one at which they were read. Money is not among them: the
tally keeps energy, from which a cost follows only at one price and one number of cores, and both may have changed.
"""

import asyncio
import datetime
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from django.db import OperationalError
from django.db.models import Min, Sum
from django.utils import timezone

from compliance.database import in_thread
from content import values
from inference.energy import PUE, WATTS_PER_THREAD
from inference.models import AnswerTally, Backend, Rung
from inference.registry import Served, snapshot

logger = logging.getLogger(__name__)
T = TypeVar("T")
Row = Mapping[str, Any]

KEPT_S = 60.0
PROBES_KEPT_S = 5.0
DAYS = 30
# A database that hangs is as absent as one that is gone; waiting for it longer than the pool does helps nobody.
READ_S = 3.0
WITHOUT_MODEL = (Rung.VERIFIED, Rung.QUOTED, Rung.NONE)
ENERGY_METHOD = (
    f"sum of the receipts' middle estimates ({WATTS_PER_THREAD['mid']:g} W per thread, PUE {PUE}); low and high are "
    f"the same seconds at {WATTS_PER_THREAD['low']:g} and {WATTS_PER_THREAD['high']:g} W (modelled)"
)


class Answers(msgspec.Struct, frozen=True):
    """``no_model_share`` is 0 to 1; null before the first answer. Failures are not among ``total``."""

    total: int
    failures: int
    by_rung: dict[str, int]
    no_model_share: float | None
    by_language: dict[str, int]


class Tokens(msgspec.Struct, frozen=True):
    prompt: int
    completion: int


class Energy(msgspec.Struct, frozen=True):
    """Watt-hours. Three times the same counted seconds, at three assumptions."""

    low: float
    mid: float
    high: float
    method: str = ENERGY_METHOD


class ModelFacts(msgspec.Struct, frozen=True):
    """A model as receipts name it; ``digest``: the fingerprint was *checked* when loaded, or is *declared*."""

    id: str
    name: str
    tier: str
    hardware: str
    languages: list[str]
    weights_sha256: str | None
    digest: str | None
    enabled: bool


class Limits(msgspec.Struct, frozen=True):
    """How many questions an address may ask within how many minutes."""

    questions: int
    window_minutes: float


class Day(msgspec.Struct, frozen=True):
    day: datetime.date
    answers: int
    no_model: int


class Facts(msgspec.Struct, frozen=True):
    """What ``GET /api/facts`` says. ``days`` are the last 30, oldest first, from the first counted day on."""

    generated_at: datetime.datetime
    since: datetime.date | None
    answers: Answers
    tokens: Tokens
    energy_wh: Energy
    models: list[ModelFacts]
    limits: Limits
    days: list[Day]


@dataclass(frozen=True, slots=True)
class Probe:
    """What the last look at a backend found; ``checked_at`` is None before the first."""

    backend: str
    model: str
    state: str
    checked_at: datetime.datetime | None


class Kept(Generic[T]):
    """A value that this process reads at most every ``kept_s``; one reading at a time, shared by all who wait."""

    def __init__(self, read: Callable[[], Awaitable[T]], *, kept_s: float) -> None:
        self._read = read
        self._kept_s = kept_s
        self._value: T | None = None
        self._read_at = 0.0
        self._reading: asyncio.Task[T] | None = None

    async def current(self) -> T:
        """Return the value, at most ``kept_s`` old. Raises what the database raises while it is away."""
        if self._value is not None and time.monotonic() - self._read_at < self._kept_s:
            return self._value
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._renew())
        # Whoever leaves does not end the reading for the others.
        return await asyncio.shield(self._reading)

    async def known(self) -> tuple[T | None, bool]:
        """Return the newest value there is, None when there never was one, and whether it is current. Never raises."""
        try:
            return await self.current(), True
        except Exception as error:
            # Whatever the database or its driver raises while it is away: what was read before still stands.
            logger.warning("not read (%s), the last known value stands", type(error).__name__)
            return self._value, False

    async def _renew(self) -> T:
        try:
            async with asyncio.timeout(READ_S):
                self._value = await self._read()
        except TimeoutError as error:
            raise OperationalError("no answer in time") from error
        self._read_at = time.monotonic()
        return self._value

    def forget(self) -> None:
        """Read afresh at the next call."""
        self._value = None


async def read_facts() -> Facts:
    """Return the figures of this moment."""
    kinds, days = await in_thread(_sums)
    return facts_of(kinds, days, await snapshot.served(), now=timezone.now())


async def read_probes() -> list[Probe]:
    """Return what the last look at each backend found. That it returns shows that PostgreSQL is there."""
    return await in_thread(_probes)


def facts_of(kinds: list[Row], days: list[Row], served: list[Served], *, now: datetime.datetime) -> Facts:
    """Return the figures that follow from the sums by rung and language, the sums by day and rung, and the registry."""
    since = min((kind["first_day"] for kind in kinds), default=None)
    return Facts(
        generated_at=now.replace(microsecond=0),
        since=since,
        answers=_answers(kinds),
        tokens=Tokens(sum(kind["prompt"] for kind in kinds), sum(kind["completion"] for kind in kinds)),
        energy_wh=energy_of(sum(kind["mid_mj"] for kind in kinds)),
        models=[_model(one) for one in served],
        # The chat above registers them, for texts to quote; its own module must not be imported from down here.
        limits=Limits(int(values.value_of("chat_questions")), float(values.value_of("chat_minutes"))),
        days=_days(days, since=since, today=now.date()),
    )


def _answers(kinds: list[Row]) -> Answers:
    by_rung: Counter[str] = Counter({rung.value: 0 for rung in Rung})
    by_language: Counter[str] = Counter()
    for kind in kinds:
        by_rung[kind["rung"]] += kind["counted"]
        by_language[kind["language"]] += kind["counted"]
    total = by_rung.total()
    without = sum(by_rung[rung] for rung in WITHOUT_MODEL)
    return Answers(
        total=total,
        failures=sum(kind["failed"] for kind in kinds),
        by_rung=dict(by_rung),
        no_model_share=round(without / total, 4) if total else None,
        by_language={language: count for language, count in sorted(by_language.items()) if count},
    )


def energy_of(mid_mj: int) -> Energy:
    """Return watt-hours for a sum of middle estimates in millijoules.

    Exact for the range, because low, middle and high are the same counted seconds at three powers.
    """
    mid_wh = mid_mj / 1000 / 3600
    low, mid, high = (
        round(mid_wh * WATTS_PER_THREAD[name] / WATTS_PER_THREAD["mid"], 6) for name in ("low", "mid", "high")
    )
    return Energy(low, mid, high)


def _model(served: Served) -> ModelFacts:
    digest = ("checked" if served.digest_checked else "declared") if served.weights_sha256 else None
    return ModelFacts(
        id=served.public_id,
        name=served.name,
        tier=served.tier,
        hardware=served.hardware,
        languages=list(served.languages),
        weights_sha256=served.weights_sha256 or None,
        digest=digest,
        enabled=served.enabled,
    )


def _days(rows: list[Row], *, since: datetime.date | None, today: datetime.date) -> list[Day]:
    """A day without an answer is a zero; a day before the first counted one is not there at all."""
    if since is None:
        return []
    answers: Counter[datetime.date] = Counter()
    without: Counter[datetime.date] = Counter()
    for row in rows:
        answers[row["day"]] += row["counted"]
        if row["rung"] in WITHOUT_MODEL:
            without[row["day"]] += row["counted"]
    last = [today - datetime.timedelta(days=back) for back in reversed(range(DAYS))]
    return [Day(day, answers[day], without[day]) for day in last if day >= since]


def _sums() -> tuple[list[Row], list[Row]]:
    """Return all counts by rung and language, and the answers of the last days by day and rung."""
    tally = AnswerTally.objects.order_by()
    first = timezone.now().date() - datetime.timedelta(days=DAYS)
    kinds = tally.values("rung", "language").annotate(
        counted=Sum("answers"),
        failed=Sum("failures"),
        prompt=Sum("prompt_tokens"),
        completion=Sum("completion_tokens"),
        mid_mj=Sum("energy_mj"),
        first_day=Min("day"),
    )
    days = tally.filter(day__gt=first).values("day", "rung").annotate(counted=Sum("answers"))
    return list(kinds), list(days)


def _probes() -> list[Probe]:
    rows = Backend.objects.select_related("model")
    return [Probe(row.name, row.model.name, row.state if row.enabled else "off", row.checked_at) for row in rows]


live = Kept(read_facts, kept_s=KEPT_S)
probed = Kept(read_probes, kept_s=PROBES_KEPT_S)
