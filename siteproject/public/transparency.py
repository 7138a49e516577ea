"""Everything this site says of itself from records: one object, shown as a page and given out as JSON.

Nothing here is typed by hand but the files of ``compliance/data``: a figure without a record is absent and said to be.
"""

import datetime
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from chat.models import Correction
from chat.moderation import figures
from compliance import heads
from compliance.database import in_thread
from compliance.heads import DailyHead
from compliance.tables import TableError, Words
from inference import budget_state, rights
from inference.facts import Energy, Facts, Kept
from inference.facts import live as live_facts
from inference.models import GpuLedgerEntry, Tier
from siteproject.public import practice, processors, recorded
from siteproject.public.practice import GapAnalysis
from siteproject.public.processors import Processors

logger = logging.getLogger(__name__)
T = TypeVar("T")
KEPT_S = 60.0
FLAG_DAYS = 90
TIERS = (Tier.SMALL, Tier.LARGE)


class FlagFigures(msgspec.Struct, frozen=True):
    """Flags of the last ``days`` days; seconds are None where nothing was decided."""

    days: int
    open: int
    received: int
    decided: int
    upheld: int
    upheld_share: float | None
    median_to_decision_s: int | None
    p90_to_decision_s: int | None
    withdrawn: int
    lapsed: int
    corrections_served: int
    corrections_by_language: dict[str, int]


class LargeTier(msgspec.Struct, frozen=True):
    """What the large tier took since the first record, and of this month's limit. Money in millionths of a dollar."""

    seconds: int
    microusd: int
    month_seconds: int | None
    month_limit_seconds: int | None
    month_microusd: int | None
    month_limit_microusd: int | None


class Records(msgspec.Struct, frozen=True):
    """What the database holds. A part that could not be read is None, one without a record is empty."""

    read_at: datetime.datetime
    release: recorded.ReleaseRow | None
    models: list[recorded.ModelRow] | None
    models_without_card: list[str] | None
    retention: recorded.RetentionRow | None
    evaluations: list[recorded.EvaluationRow] | None
    red_team: list[recorded.RedTeamRow] | None
    flags: FlagFigures | None
    incidents: list[recorded.IncidentRow] | None
    large_tier: LargeTier | None
    attestations: list[recorded.AttestationRow] | None
    unattested: list[str] | None
    gates: list[recorded.GateRow] | None
    head: DailyHead | None


class RightRow(msgspec.Struct, frozen=True):
    """``tiers`` have it now: the table gives it and every record it ``needs`` is there."""

    id: str
    name: Words
    tiers: list[str]
    needs: list[str]


class Complaint(msgspec.Struct, frozen=True):
    """Where people may complain. What an operator has not filled in is empty."""

    contact_email: str
    authority: str


class Transparency(msgspec.Struct, frozen=True):
    """``records`` is None while the database has never answered; ``current`` whether it answered just now."""

    current: bool
    records: Records | None
    energy: Energy | None
    machine_usd_per_month: float
    processors: Processors | None
    rights: list[RightRow] | None
    gap_analysis: GapAnalysis | None
    complaint: Complaint


async def transparency() -> Transparency:
    """Return all of it. Whatever is away leaves the rest readable."""
    records, current = await kept.known()
    found, facts_current = await live_facts.known()
    return Transparency(
        current=current and facts_current,
        records=records,
        energy=_energy(found),
        machine_usd_per_month=settings.MACHINE_USD_PER_MONTH,
        processors=_file(processors.listed),
        rights=await in_thread(_part, _rights) if current else None,
        gap_analysis=_file(practice.read),
        complaint=Complaint(settings.CONTACT_EMAIL, settings.PRIVACY_AUTHORITY),
    )


async def read_records() -> Records:
    """Read the database once. Raises what it raises while it is away."""
    return await in_thread(_records)


kept = Kept(read_records, kept_s=KEPT_S)


def _records() -> Records:
    now = timezone.now()
    # The first one is asked without a net: when the database is away, nothing else need be tried.
    release = recorded.release()
    published = _part(heads.published)
    attestations = _part(lambda: recorded.attestations(now.date()))
    return Records(
        read_at=now.replace(microsecond=0),
        release=release,
        models=_part(recorded.model_cards),
        models_without_card=_part(recorded.unrecorded_models),
        retention=_part(recorded.retention),
        evaluations=_part(recorded.evaluations),
        red_team=_part(recorded.red_team),
        flags=_part(_flags),
        incidents=_part(recorded.incidents),
        large_tier=_part(_large_tier),
        attestations=attestations,
        unattested=None if attestations is None else recorded.unattested(attestations),
        gates=_part(recorded.gates),
        head=published[0] if published else None,
    )


def _part(read: Callable[[], T]) -> T | None:
    """Return one part, None when it cannot be read: the others are still worth reading."""
    try:
        return read()
    except Exception as error:
        logger.warning("a part of the transparency page was not read: %s", type(error).__name__)
        return None


def _file(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except TableError:
        logger.warning("a table of compliance/data was not read")
        return None


def _flags() -> FlagFigures:
    found = figures.figures(days=FLAG_DAYS)
    languages = Correction.objects.served().order_by().values_list("language", flat=True)
    by_language: dict[str, int] = {}
    for language in languages:
        by_language[language] = by_language.get(language, 0) + 1
    return FlagFigures(
        days=found.days,
        open=found.open,
        received=found.received,
        decided=found.decided,
        upheld=found.upheld,
        upheld_share=found.upheld_share,
        median_to_decision_s=_seconds(found.median_to_decision),
        p90_to_decision_s=_seconds(found.p90_to_decision),
        withdrawn=found.withdrawn,
        lapsed=found.lapsed,
        corrections_served=found.corrections_served,
        corrections_by_language=dict(sorted(by_language.items())),
    )


def _seconds(span: datetime.timedelta | None) -> int | None:
    return None if span is None else round(span.total_seconds())


def _large_tier() -> LargeTier:
    total: dict[str, Any] = GpuLedgerEntry.objects.aggregate(seconds=Sum("seconds"), microusd=Sum("microusd"))
    windows = budget_state.read().windows
    month = next((each for each in windows if each.window == "month" and each.scope == "all"), None)
    return LargeTier(
        seconds=total["seconds"] or 0,
        microusd=total["microusd"] or 0,
        month_seconds=month.taken.seconds if month else None,
        month_limit_seconds=month.limit.seconds if month else None,
        month_microusd=month.taken.microusd if month else None,
        month_limit_microusd=month.limit.microusd if month else None,
    )


def _energy(found: Facts | None) -> Energy | None:
    return found.energy_wh if found else None


def _rights() -> list[RightRow] | None:
    table = _file(rights.read)
    if table is None:
        return None
    return [
        RightRow(key, right.name, [tier for tier in TIERS if rights.may(tier, key, table=table)], right.needs)
        for key, right in table.rights.items()
    ]
