"""The arithmetic of the GPU ledger: one lock, whole seconds, whole millionths of a dollar, sums that are exact.

Every writer locks the wake's row first, then the ledger, and appends to the audit log last, so no two wait for each
other. Cost is counted by position: the seconds from a to b of a wake cost ``cost(b) - cost(a)``, so however often a
wake is cut into shares, its entries sum to the cost of its seconds and not a millionth is lost in rounding.
"""

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from inference.models import GpuLedgerEntry, Wake

LOCK = 7_305_001  # an advisory lock nobody else in this database uses
Kind = GpuLedgerEntry.Kind


@dataclass(frozen=True, slots=True)
class Asker:
    """Whose account is charged: a class, and the public id of a person where there is one."""

    asker_class: str
    subject: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """Seconds and what they cost."""

    seconds: int = 0
    microusd: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.seconds + other.seconds, self.microusd + other.microusd)


def lock() -> None:
    """Wait until no other transaction changes the ledger or its caps; hold that until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def database_now() -> datetime.datetime:
    """Return the time by the database's clock, the one that every machine shares; not the transaction's beginning."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return now.astimezone(datetime.UTC)


def cost(seconds: int) -> int:
    """Return what the first ``seconds`` of a wake cost, in millionths of a US dollar."""
    return seconds * round(settings.LLM_GPU_USD_PER_HOUR * 1_000_000) // 3600


def entry(
    wake: Wake, kind: Kind, asker: Asker, *, begins: int, ends: int, day: datetime.date, at: datetime.datetime
) -> GpuLedgerEntry:
    """Return an entry for the seconds of a wake from ``begins`` to ``ends``; the other way round takes them off."""
    return GpuLedgerEntry(
        wake=wake,
        kind=kind,
        asker_class=asker.asker_class,
        subject=asker.subject,
        seconds=ends - begins,
        microusd=cost(ends) - cost(begins),
        day=day,
        at=at,
    )


@dataclass(slots=True)
class Hold:
    """What one asker holds of one wake, counted in one day."""

    asker: Asker
    day: datetime.date
    seconds: int = 0
    microusd: int = 0


def holds(entries: Sequence[GpuLedgerEntry]) -> list[Hold]:
    """Return who holds how much of a wake, in the order they came; the last is whoever it is awake for."""
    found: dict[tuple[Asker, datetime.date], Hold] = {}
    for row in entries:
        asker = Asker(row.asker_class, row.subject)
        hold = found.setdefault((asker, row.day), Hold(asker, row.day))
        hold.seconds += row.seconds
        hold.microusd += row.microusd
    return list(found.values())


def latest_hold(entries: Sequence[GpuLedgerEntry]) -> Hold | None:
    """Return who the wake is awake for now, with the seconds of their present, unbroken hold."""
    hold: Hold | None = None
    for row in reversed(entries):
        if row.seconds <= 0:
            if hold is None:
                continue
            break
        asker = Asker(row.asker_class, row.subject)
        if hold is None:
            hold = Hold(asker, row.day)
        elif (hold.asker, hold.day) != (asker, row.day):
            break
        hold.seconds += row.seconds
    return hold


def used(scope: str, subject: uuid.UUID | None, since: datetime.date) -> Amount:
    """Return what was used and is reserved in a window: one that began on ``since``.

    Entries dated later count as well: after a clock was set back, nobody gets a day twice.
    """
    sums = (
        GpuLedgerEntry.objects.since(since)
        .counting_for(scope, subject)
        .aggregate(seconds=Sum("seconds"), microusd=Sum("microusd"))
    )
    return Amount(sums["seconds"] or 0, sums["microusd"] or 0)


def shares(whole: int, weights: Sequence[int]) -> list[int]:
    """Cut ``whole`` in proportion to ``weights``: whole numbers that sum to it, none above its weight where
    ``whole`` is not above theirs together."""
    together = sum(weights)
    cuts = [0]
    so_far = 0
    for weight in weights:
        so_far += weight
        cuts.append(whole * so_far // together if together else 0)
    return [cuts[place + 1] - cuts[place] for place in range(len(weights))]
