"""Ask for a sleeping backend to be woken, see how that goes, and say that it is being used.

What is asked for is a row (``inference.models.Wake``), one open one for each backend: a hundred askers make one wake.
``inference.tending`` does what the row says, in the worker.
"""

import asyncio
import datetime
import logging
import statistics
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from compliance.database import in_thread
from inference.errors import WakeRefused
from inference.models import Backend, Wake

logger = logging.getLogger(__name__)
READY = Wake.State.READY
OVER = (Wake.State.ASLEEP, Wake.State.FAILED)
KEPT_S = 0.5
READ_S = 3.0
TYPICAL_OF = 10  # the last so many wakes say how long one takes
TOUCH_EVERY_S = 5.0
MOST_COOL_DOWNS = 15  # the longest pause after failures, in units of the first

# Written by whoever pays for it, in the transaction that makes the row; raises where nobody can.
Reserve = Callable[[Wake, str, uuid.UUID | None], None]


@dataclass(frozen=True, slots=True)
class WakeStatus:
    """How it stands with one backend now.

    ``elapsed_s`` counts from the request, until it is ready or over. ``typical_s`` is the median of recent wakes, None
    before the first. ``failure`` is a code, "" where nothing went wrong; ``model`` is what an awake backend lists.
    """

    state: str = Wake.State.ASLEEP
    elapsed_s: float = 0.0
    typical_s: float | None = None
    failure: str = ""
    model: str = ""
    wake_id: int | None = None


def request(backend: str, *, asker_class: str, subject: uuid.UUID | None, reserve: Reserve) -> Wake:
    """Return the open wake of a backend, made now where there is none.

    ``reserve`` pays for a new one in the same transaction; what it raises undoes the row. Raises WakeRefused where
    staff switched it off, after a failed wake, or while it is being put to sleep.
    """
    try:
        found = _open(backend)
        if found is not None:
            return found
        _check_allowed(backend)
        try:
            with transaction.atomic():
                # The row is written once more before it is known to be the only one: 100 at once wait here for one.
                wake = Wake.objects.create(backend=backend, asker_class=asker_class)
                reserve(wake, asker_class, subject)
        except IntegrityError:
            return _open(backend) or _refuse("asleep_again")
        logger.info("wake %s of %s requested", wake.public_id, backend)
        return wake
    finally:
        forget(backend)


def _open(backend: str) -> Wake | None:
    wake = Wake.objects.filter(backend=backend, state__in=Wake.OPEN).first()
    if wake is not None and wake.state == Wake.State.SLEEPING:
        _refuse("sleeping")
    return wake


def _check_allowed(backend: str) -> None:
    row = Backend.objects.filter(name=backend).select_related("model").first()
    if row is None or not (row.enabled and row.model.enabled and row.wake_enabled):
        _refuse("switched_off")
    until = cooling_until(backend)
    if until is not None and until > timezone.now():
        _refuse("cooling_down")


def cooling_until(backend: str) -> datetime.datetime | None:
    """Return until when nothing is woken after failed wakes: a minute, doubled with each in a row; None after none."""
    failures = 0
    ended_at: datetime.datetime | None = None
    recent = Wake.objects.filter(backend=backend, state__in=OVER).order_by("-id")[:8]
    for wake in recent:
        if wake.state != Wake.State.FAILED:
            break
        failures += 1
        ended_at = ended_at or wake.ended_at
    if ended_at is None:
        return None
    units = min(2 ** (failures - 1), MOST_COOL_DOWNS)
    return ended_at + datetime.timedelta(seconds=settings.LLM_GPU_COOL_DOWN_S * units)


def _refuse(reason: str) -> "Wake":
    raise WakeRefused(reason)


def status(backend: str) -> WakeStatus:
    """Return how it stands, from the database."""
    wake = Wake.objects.filter(backend=backend).order_by("-id").first()
    if wake is None:
        return WakeStatus()
    end = wake.ready_at or wake.ended_at or timezone.now()
    return WakeStatus(
        state=wake.state,
        elapsed_s=max(0.0, (end - wake.requested_at).total_seconds()),
        typical_s=typical_s(backend),
        failure=wake.failure,
        model=wake.model,
        wake_id=wake.pk,
    )


def typical_s(backend: str) -> float | None:
    """Return the median of the last wakes, from the request to ready; None before the first."""
    recent = Wake.objects.filter(backend=backend, ready_at__isnull=False).order_by("-id")[:TYPICAL_OF]
    taken = [(wake.ready_at - wake.requested_at).total_seconds() for wake in recent if wake.ready_at]
    return round(statistics.median(taken), 1) if taken else None


# --- what this process knows, for many readers at once ---


@dataclass(slots=True)
class _Known:
    """The last status read, when, and which ``forget`` it came after."""

    status: WakeStatus
    read_at: float
    epoch: int


_known: dict[str, _Known] = {}
_epochs: dict[str, int] = {}
_reading: dict[str, tuple[int, "asyncio.Task[WakeStatus]"]] = {}


def forget(backend: str) -> None:
    """Let the next ``current`` read afresh, also where a reading is under way that began before this."""
    _epochs[backend] = _epochs.get(backend, 0) + 1


async def current(backend: str) -> WakeStatus:
    """Return how it stands, at most half a second old; one reading at a time for all who ask.

    A database that does not answer counts as asleep, with the failure *unknown*: nobody is sent to a backend whose
    seconds cannot be counted.
    """
    epoch = _epochs.get(backend, 0)
    known = _known.get(backend)
    if known is not None and known.epoch == epoch and time.monotonic() - known.read_at < KEPT_S:
        return known.status
    begun = _reading.get(backend)
    if begun is None or begun[0] != epoch or begun[1].done() or begun[1].get_loop() is not asyncio.get_running_loop():
        begun = _reading[backend] = (epoch, asyncio.create_task(_read(backend, epoch)))
    return await asyncio.shield(begun[1])


async def _read(backend: str, epoch: int) -> WakeStatus:
    try:
        found = await asyncio.wait_for(in_thread(status, backend), READ_S)
    except Exception as error:
        logger.warning("state of %s not read (%s)", backend, type(error).__name__)
        found = WakeStatus(failure="unknown")
    _known[backend] = _Known(found, time.monotonic(), epoch)
    return found


# --- what is used stays awake ---

_touched: dict[str, float] = {}
_touching = threading.Lock()
_writing: set["asyncio.Task[None]"] = set()


def touch(backend: str) -> None:
    """Write down that an answer uses the backend now: at most every five seconds from one process."""
    with _touching:
        if time.monotonic() - _touched.get(backend, -TOUCH_EVERY_S) < TOUCH_EVERY_S:
            return
        _touched[backend] = time.monotonic()
    Wake.objects.filter(backend=backend, state=READY).update(used_at=Now())


def touch_soon(backend: str) -> None:
    """``touch`` from an answer's own loop: nothing waits for it, and a database that is away costs it nothing."""
    if time.monotonic() - _touched.get(backend, -TOUCH_EVERY_S) < TOUCH_EVERY_S:
        return
    task = asyncio.create_task(_touch(backend))
    _writing.add(task)
    task.add_done_callback(_writing.discard)


async def _touch(backend: str) -> None:
    try:
        await in_thread(touch, backend)
    except Exception as error:
        logger.warning("use of %s not written (%s)", backend, type(error).__name__)
