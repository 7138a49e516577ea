"""The ledger of use: reserve the worst case before a call, settle what it was after it, sweep what nobody settled.

PostgreSQL counts, in functions of its own (migration 0002). A reservation need not outlive a crash of the database, its
settlement restores it; a settlement is on disk before the caller hears the end of the answer.
"""

import asyncio
import datetime
import logging
import time
from dataclasses import dataclass
from typing import Any

import msgspec
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from billing.errors import CallKnown, LedgerAway, LedgerBusy, LimitReached, Suspended, UnknownKey
from billing.grants import Grant
from billing.models import UsageRecord
from billing.prices import cost, prices
from billing.prices import read as read_prices
from billing.writers import Writer
from compliance.batches import MOST_AT_ONCE

logger = logging.getLogger(__name__)
RESERVE_S, SETTLE_S = 2.0, 5.0
AGAIN_S = 1.0
BUSY_S, BUSY_PAUSE_S = 0.7, 0.02
MOST_KEPT = 50_000
SWEPT_AT_ONCE = 500
IDEMPOTENCY_KEPT = datetime.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Call:
    """One call that is to be counted. ``microusd`` and ``gpu_ms`` are the most that it can take.

    ``price`` is what it was reserved at and is settled at, of a million tokens read and written; None: the one that
    holds when it ends.
    """

    request_id: str
    grant: Grant
    endpoint: str
    model: str
    streamed: bool
    microusd: int
    gpu_ms: int = 0
    idempotency: str | None = None
    body: str = ""
    price: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What a call took. Times are milliseconds, energy millijoules; its cost follows from the price of the call."""

    outcome: str
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    counted: bool = True
    error_code: str = ""
    gpu_ms: int = 0
    first_token_ms: int | None = None
    duration_ms: int = 0
    energy_mj: int = 0


_reserving = Writer("billing_reserve", durable=False, timeout_s=RESERVE_S)
_progressing = Writer("billing_progress", durable=False, timeout_s=RESERVE_S)
_settling = Writer("billing_settle", durable=True, timeout_s=SETTLE_S)


async def reserve(call: Call) -> None:
    """Reserve the worst case of a call. Raises LimitReached, CallKnown, UnknownKey, Suspended, LedgerAway."""
    row = await _reserved_row(
        {
            "request": call.request_id,
            "key": call.grant.key_id,
            "customer": call.grant.customer_id,
            "endpoint": call.endpoint,
            "model": call.model,
            "streamed": call.streamed,
            "microusd": call.microusd,
            "gpu_ms": call.gpu_ms,
            "idempotency": call.idempotency,
            "body": call.body,
        }
    )
    _request, verdict, detail = row
    match verdict:
        case "ok":
            return
        case "key_gone":
            raise UnknownKey
        case "suspended":
            raise Suspended
        case "busy":
            raise LedgerBusy
        case "limit":
            raise LimitReached(**detail, resets_at=resets_at(detail["window"], timezone.now()))
    raise CallKnown(
        verdict,
        request_id=detail["request"],
        prompt_tokens=detail["prompt_tokens"],
        completion_tokens=detail["completion_tokens"],
        outcome=detail["outcome"],
    )


async def _reserved_row(item: dict[str, Any]) -> Any:
    """Ask again for a while when the row is held: it may be by a batch that itself waits for another customer's."""
    until = time.monotonic() + BUSY_S
    while True:
        row = await _reserving.write(item)
        if row is None:
            raise LedgerAway
        if row[1] != "busy" or time.monotonic() > until:
            return row
        await asyncio.sleep(BUSY_PAUSE_S)


async def progress(call: Call, *, prompt_tokens: int, completion_tokens: int) -> None:
    """Note what a long answer has delivered so far; nobody waits for it and nothing depends on it but the sweeper."""
    item = {"request": call.request_id, "prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    try:
        await _progressing.write(item)
    except LedgerAway:
        return


async def settle(call: Call, used: Used) -> int:
    """Write what a call took and return its cost in millionths of a dollar.

    On disk when this returns, or kept in this process and written as soon as the database answers again: an answer
    that was given is not taken back because its bill has to wait.
    """
    price = call.price or (await prices.current()).get(call.model, (0, 0))
    microusd = min(call.microusd, cost(price, used.prompt_tokens, used.completion_tokens))
    item = _item(call, used, microusd)
    try:
        await _write(item)
    except LedgerAway:
        _keep(item)
    return microusd


async def _write(item: dict[str, Any]) -> None:
    """Raises LedgerAway; LedgerBusy when the customer's row is held by somebody else for longer than a moment."""
    row = await _settling.write(item)
    if row is not None and row[1] == "busy":
        raise LedgerBusy


def _item(call: Call, used: Used, microusd: int) -> dict[str, Any]:
    return {
        "request": call.request_id,
        "key": call.grant.key_id,
        "customer": call.grant.customer_id,
        "endpoint": call.endpoint,
        "model": call.model,
        "streamed": call.streamed,
        "state": UsageRecord.State.SETTLED,
        "outcome": used.outcome,
        "error_code": used.error_code,
        "microusd": microusd,
        "gpu_ms": min(used.gpu_ms, call.gpu_ms) if call.gpu_ms else 0,
        "prompt_tokens": used.prompt_tokens,
        "cached_tokens": used.cached_tokens,
        "completion_tokens": used.completion_tokens,
        "counted": used.counted,
        "first_token_ms": used.first_token_ms,
        "duration_ms": used.duration_ms,
        "energy_mj": used.energy_mj,
    }


# --- what could not be written yet ---

_kept: dict[str, dict[str, Any]] = {}
_writing: list["asyncio.Task[None]"] = []


def _keep(item: dict[str, Any]) -> None:
    if len(_kept) >= MOST_KEPT:
        logger.error("settlement %s given up: the sweeper will find its reservation", item["request"])
        return
    _kept[item["request"]] = item
    if not _writing or _writing[0].done():
        _writing[:] = [asyncio.get_running_loop().create_task(_write_kept())]


async def _write_kept() -> None:
    while _kept:
        await asyncio.sleep(AGAIN_S)
        await _write_what_can_be()
    logger.info("every settlement that was kept is written")


async def _write_what_can_be() -> None:
    """Write what is kept many at a time, so that a customer whose row is held makes the others wait once."""
    waiting = list(_kept.items())
    for start in range(0, len(waiting), MOST_AT_ONCE):
        some = waiting[start : start + MOST_AT_ONCE]
        found = await asyncio.gather(*(_write(item) for _, item in some), return_exceptions=True)
        for (request_id, _), error in zip(some, found, strict=True):
            if error is None:
                _kept.pop(request_id, None)
        if not any(isinstance(error, LedgerBusy) or error is None for error in found):
            break


async def close() -> None:
    """Write what is kept, if the database lets us, and close the connections."""
    for task in _writing:
        task.cancel()
    await _write_what_can_be()
    if _kept:
        logger.error("%d settlements not written: the sweeper will find their reservations", len(_kept))
    for writer in (_reserving, _progressing, _settling):
        await writer.close()


# --- the sweeper ---


def sweep() -> int:
    """Settle the calls whose process died: what was known to be delivered is billed, no more. Returns how many.

    A call counts as orphaned once it is older than any call can get (``API_ORPHAN_S``).
    """
    limit = datetime.timedelta(seconds=settings.API_ORPHAN_S)
    orphans = UsageRecord.objects.reserved().filter(started_at__lt=timezone.now() - limit).order_by("started_at")
    by_model = read_prices()
    items = [
        {
            "request": str(row.request_id),
            "key": row.key_id,
            "customer": row.customer_id,
            "endpoint": row.endpoint,
            "model": row.model,
            "streamed": row.streamed,
            "state": UsageRecord.State.SWEPT,
            "outcome": UsageRecord.Outcome.LOST,
            "error_code": "process_died",
            "microusd": min(
                row.reserved_microusd,
                cost(by_model.get(row.model, (0, 0)), row.prompt_tokens, row.completion_tokens),
            ),
            "gpu_ms": 0,
            "prompt_tokens": row.prompt_tokens,
            "cached_tokens": 0,
            "completion_tokens": row.completion_tokens,
            "counted": False,
            "first_token_ms": None,
            "duration_ms": 0,
            "energy_mj": 0,
        }
        for row in orphans[:SWEPT_AT_ONCE]
    ]
    if not items:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT verdict FROM billing_settle(%s::jsonb)", [msgspec.json.encode(items).decode()])
        swept = sum(verdict == "settled" for (verdict,) in cursor.fetchall())
    logger.warning("%d calls without an end settled by the sweeper", swept)
    return swept


def forget_idempotency() -> int:
    """Drop the digests of idempotency keys and bodies that are older than a day."""
    old = UsageRecord.objects.filter(idempotency__isnull=False, started_at__lt=timezone.now() - IDEMPOTENCY_KEPT)
    return old.counting().update(idempotency=None, body="")


def resets_at(window: str, now: datetime.datetime) -> datetime.datetime:
    """Return when a UTC day or month that ``now`` is in is over."""
    today = now.astimezone(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if window == "day":
        return today + datetime.timedelta(days=1)
    return (today.replace(day=1) + datetime.timedelta(days=32)).replace(day=1)
