"""The daily check of both chains, and the heads it publishes for whoever wants to keep one."""

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django.utils.translation import gettext

from compliance import chain, evidence
from compliance.alarms import Sentence, alarm
from compliance.chain import CHAINS, Break, Head
from compliance.errors import NotAHead
from compliance.gates import Failed, Outcome, Passed, gate
from compliance.models import EvidenceRecord
from compliance.signals import day_checked

KIND = "chain_head"
# A day, and two hours for a machine that was being restarted when the day began.
OVERDUE = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class DailyHead:
    """The heads of both chains as a check found them. ``record`` is the head that this finding itself became."""

    day: str
    at: str
    audit: str
    evidence: str
    intact: bool
    record: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What reading both chains found, by the name of the chain: its last sound record, and what is wrong after it."""

    heads: dict[str, Head]
    broken: dict[str, Break]

    @property
    def intact(self) -> bool:
        return not self.broken

    def body(self) -> dict[str, Any]:
        """Return this as a record of evidence says it."""
        said = {name: str(head) for name, head in self.heads.items()} | {"intact": self.intact}
        broken = {name: asdict(found) for name, found in self.broken.items()}
        return said | ({"broken": broken} if broken else {})


def check_once_a_day() -> EvidenceRecord | None:
    """Check both chains unless that was done today (UTC); return the record of it, None when it was done before."""
    today = timezone.now().astimezone(UTC).date()
    if _checked_on(today):
        return None
    found = findings()
    with transaction.atomic():
        # Two workers that started together have both come this far; the lock lets one of them record.
        chain.lock(EvidenceRecord)
        if _checked_on(today):
            return None
        record = evidence.record(KIND, found.body())
        day_checked.send(EvidenceRecord, record=record)
    return record


def check_now() -> EvidenceRecord:
    """Check both chains and record it, however often today: for an operator who has mended something."""
    return evidence.record(KIND, findings().body())


def findings() -> Findings:
    """Read both chains from their beginning, against the heads that the last sound check recorded."""
    readings = {name: chain.read(model, kept=kept(name)) for name, model in CHAINS.items()}
    return Findings(
        heads={name: reading.head for name, reading in readings.items()},
        broken={name: reading.broken for name, reading in readings.items() if reading.broken},
    )


def kept(name: str) -> list[Head]:
    """Return the head of a chain at the last check that found both sound; nothing when there was none.

    Written down in the evidence, it shows what was cut off the end of the audit log or computed anew there.
    """
    sound = EvidenceRecord.objects.filter(kind=KIND, body__intact=True).order_by("-number").first()
    try:
        head = Head.parse(str(sound.body.get(name))) if sound else None
    except NotAHead:  # somebody changed that record, which reading the evidence will show
        return []
    return [head] if head and head.number else []


def published(days: int = 30) -> list[DailyHead]:
    """Return the last finding of each of the last days that have one, newest first."""
    since = _midnight(timezone.now()) - timedelta(days=days - 1)
    by_day: dict[str, DailyHead] = {}
    for record in EvidenceRecord.objects.filter(kind=KIND, at__gte=since).order_by("-number"):
        at = record.at.astimezone(UTC)
        head = DailyHead(
            day=f"{at:%Y-%m-%d}",
            at=at.isoformat(timespec="seconds"),
            audit=str(record.body.get("audit")),
            evidence=str(record.body.get("evidence")),
            intact=record.body.get("intact") is True,
            record=str(Head(record.number, record.sha256)),
        )
        by_day.setdefault(head.day, head)
    return list(by_day.values())


def _checked_on(day: date) -> bool:
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return EvidenceRecord.objects.filter(kind=KIND, at__gte=begins, at__lt=begins + timedelta(days=1)).exists()


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@alarm("chains")
def chains_alarm() -> list[Sentence]:
    """Say that the last check found a break, or that there has been none for longer than a day."""
    last = evidence.latest(KIND)
    if last and last.body.get("intact") is not True:
        text = gettext("In the chain “%(chain)s”, record %(number)s is missing or was changed: see docs/compliance.md.")
        broken = last.body.get("broken") or {"evidence": {"number": last.number}}
        return [text % {"chain": name, "number": found["number"]} for name, found in sorted(broken.items())]
    due_since = last.at if last else _first_migrated_at()
    if due_since and timezone.now() - due_since > OVERDUE:
        return [gettext("The chains of records have not been checked for more than a day: the worker may be away.")]
    return []


def _first_migrated_at() -> datetime | None:
    """Return when this database got its tables of records: a new one cannot have been checked yet."""
    migrations = MigrationRecorder.Migration.objects.filter(app="compliance")
    first: datetime | None = migrations.order_by("applied").values_list("applied", flat=True).first()
    return first


@gate("chains-intact", tags={"release", "ai-act"}, title="both chains of records are intact")
def chains_gate() -> Outcome:
    """Read both chains now."""
    found = findings()
    if found.intact:
        return Passed(", ".join(f"{name} {head}" for name, head in found.heads.items()))
    return Failed("; ".join(f"{name}: {broken}" for name, broken in found.broken.items()))
