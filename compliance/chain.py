"""Chains of records: each carries the sha256 of the one before, so a changed or missing record shows.

Against mistakes and quiet edits, not against the owner of the database, who could compute a whole chain anew;
for that somebody else must have kept a head (``manage.py verify_chain --head``). Writers take one lock per
chain, so two never follow the same record. The lock is held until the transaction ends: append **last**, and
where one transaction appends to both chains, evidence before audit, as two orders could wait for each other.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from django.db import connection, transaction
from django.utils import timezone

from compliance.errors import NotAHead
from compliance.models import AuditEntry, ChainedRecord, EvidenceRecord

Record = TypeVar("Record", bound=ChainedRecord)
GENESIS = "0" * 64
NOT_COVERED = ("id", "sha256")
# By the name that people use for them, in the order in which one transaction may lock both.
CHAINS: Mapping[str, type[ChainedRecord]] = {"evidence": EvidenceRecord, "audit": AuditEntry}
# The keys of the advisory locks: any numbers nobody else in this database uses.
LOCKS: Mapping[type[ChainedRecord], int] = {AuditEntry: 7_301_001, EvidenceRecord: 7_301_002}
HEAD = re.compile(r"(?P<number>0|[1-9][0-9]{0,17}):(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: ``N:sha256`` in a note is enough to prove everything up to it."""

    number: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what ``str`` gave. Raises NotAHead."""
        found = HEAD.fullmatch(text.strip().lower())
        if not found:
            raise NotAHead(text)
        return cls(int(found["number"]), found["sha256"])


@dataclass(frozen=True, slots=True)
class Break:
    """The first record that does not follow from the one before, and why."""

    number: int
    reason: str

    def __str__(self) -> str:
        return f"record {self.number} {self.reason}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a chain from its beginning found: ``head`` is the last record that is sound."""

    head: Head
    broken: Break | None


def canonical(value: object) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8. Raises TypeError for what may read back
    differently (floats) or was not meant to be recorded."""
    _check(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def append(model: type[Record], **fields: Any) -> Record:
    """Add a record to the end of its chain, inside the caller's transaction or one of its own."""
    for value in fields.values():
        _check(value)
    with transaction.atomic():
        lock(model)
        last = head(model)
        record = model(number=last.number + 1, at=timezone.now(), previous_sha256=last.sha256, **fields)
        record.sha256 = digest(record)
        record.save(force_insert=True)
    return record


def lock(model: type[ChainedRecord]) -> None:
    """Let nobody else append to a chain until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCKS[model]])


def head(model: type[ChainedRecord]) -> Head:
    """Return the end of a chain; number 0 when it has no record."""
    last = model._default_manager.order_by("-number").values_list("number", "sha256").first()
    return Head(*last) if last else Head(0, GENESIS)


def digest(record: ChainedRecord) -> str:
    """Return the sha256 over everything a record says, its number, time and predecessor included."""
    return hashlib.sha256(canonical(_said(record))).hexdigest()


def line(record: ChainedRecord) -> bytes:
    """Return a record as one canonical JSON line for whoever keeps the chain: without ``sha256``, what was digested."""
    return canonical(_said(record) | {"sha256": record.sha256}) + b"\n"


def _said(record: ChainedRecord) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for column in record._meta.concrete_fields:
        if column.name not in NOT_COVERED:
            value = getattr(record, column.attname)
            said[column.name] = _utc(value) if isinstance(value, datetime) else value
    return said


def first_break(model: type[ChainedRecord], *, kept: Head | None = None) -> Break | None:
    """Return the first record that is wrong, None when all follow. ``kept`` is a head that somebody wrote down."""
    return read(model, kept=[kept] if kept else []).broken


def read(model: type[ChainedRecord], *, kept: Collection[Head] = ()) -> Reading:
    """Read a chain from its beginning to its end or to the first record that is wrong."""
    last = Head(0, GENESIS)
    for record in _in_order(model):
        reason = _wrong(record, last, kept)
        if reason:
            return Reading(last, Break(last.number + 1, reason))
        last = Head(record.number, record.sha256)
    if any(last.number < each.number for each in kept):
        return Reading(last, Break(last.number + 1, "is missing: a head that was kept is beyond the end"))
    return Reading(last, None)


def _wrong(record: ChainedRecord, last: Head, kept: Collection[Head]) -> str:
    """Return what is wrong with the record where number ``last.number + 1`` should stand, "" when nothing is."""
    if record.number != last.number + 1:
        return "is missing"
    if record.previous_sha256 != last.sha256:
        return "does not follow the one before"
    if not _says_its_digest(record):
        return "was changed"
    if any(each.number == record.number and each.sha256 != record.sha256 for each in kept):
        return "is not the one whose head was kept"
    return ""


def _says_its_digest(record: ChainedRecord) -> bool:
    try:
        return record.sha256 == digest(record)
    except TypeError:  # a number with a point, which no writer of ours can have put there
        return False


def _in_order(model: type[ChainedRecord]) -> Iterator[ChainedRecord]:
    return model._default_manager.order_by("number").iterator(chunk_size=1000)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _check(value: object) -> None:
    match value:
        case dict():
            for name, part in value.items():
                if not isinstance(name, str):
                    raise TypeError(f"not a name: {type(name).__name__}")
                _check(part)
        case list() | tuple():
            for part in value:
                _check(part)
        case str() | bool() | int() | None:
            pass
        case _:
            raise TypeError(f"a record holds no {type(value).__name__}")
