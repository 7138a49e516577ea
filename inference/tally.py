"""Counts of answers, gathered in memory and written every few seconds.

A process that is killed loses at most ``WRITE_EVERY_S`` of counts; a database that is away loses none
while the process lives. Nothing here knows a text, a person or a time of day.
"""

import asyncio
import datetime
import logging
from collections import defaultdict
from dataclasses import dataclass, fields

from django.db import connection, transaction
from django.utils import timezone

from compliance.database import in_thread
from inference.models import AnswerTally
from inference.receipts import Receipt

logger = logging.getLogger(__name__)
WRITE_EVERY_S = 2.0


@dataclass(slots=True)
class Counts:
    answers: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    duration_ms: int = 0
    energy_mj: int = 0

    def add(self, other: "Counts") -> None:
        for column in fields(Counts):
            setattr(self, column.name, getattr(self, column.name) + getattr(other, column.name))


Kind = tuple[datetime.date, str, str, str, str]
_pending: dict[Kind, Counts] = defaultdict(Counts)
COLUMNS = [column.name for column in fields(Counts)]


def record(receipt: Receipt) -> None:
    """Count one finished answer."""
    _pending[_kind(receipt.rung, receipt.tier, receipt.model, receipt.language)].add(
        Counts(
            answers=1,
            prompt_tokens=receipt.prompt_tokens,
            completion_tokens=receipt.completion_tokens,
            duration_ms=receipt.duration_ms,
            energy_mj=round(receipt.energy_j.get("mid", 0.0) * 1000),
        )
    )


def record_failure(*, rung: str, language: str) -> None:
    """Count one answer that ended in an error."""
    _pending[_kind(rung, None, None, language)].add(Counts(failures=1))


def _kind(rung: str, tier: str | None, model: str | None, language: str) -> Kind:
    return (timezone.now().date(), rung, tier or "", model or "", language)


async def keep_writing() -> None:
    """Write what is pending, for as long as the process runs."""
    while True:
        await asyncio.sleep(WRITE_EVERY_S)
        await write()


async def write() -> None:
    """Write what is pending now; keep it for the next time when the database is away."""
    if not _pending:
        return
    taken = dict(_pending)
    _pending.clear()
    try:
        await in_thread(_upsert, taken)
    except Exception as error:
        # Whatever the database or its driver raises while it is away: counts are kept, and the loop goes on.
        logger.warning("tally not written (%s), %d kinds kept for later", type(error).__name__, len(taken))
        for kind, counts in taken.items():
            _pending[kind].add(counts)


def _upsert(taken: dict[Kind, Counts]) -> None:
    """Add to the rows in one statement each: two processes may count the same kind at once."""
    table = connection.ops.quote_name(AnswerTally._meta.db_table)
    keys = "day, rung, tier, model, language"
    adds = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in COLUMNS)
    holes = ", ".join(["%s"] * (5 + len(COLUMNS)))
    # Only names of our own columns are put into the statement; every value is a parameter.
    statement = (
        f"INSERT INTO {table} ({keys}, {', '.join(COLUMNS)}) VALUES ({holes}) ON CONFLICT ({keys}) DO UPDATE SET {adds}"  # noqa: S608
    )
    with transaction.atomic(), connection.cursor() as cursor:
        for kind, counts in sorted(taken.items()):
            cursor.execute(statement, [*kind, *(getattr(counts, name) for name in COLUMNS)])
