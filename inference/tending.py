"""Do what open wakes ask for: wake, wait until ready, watch, put to sleep, close the bill.

One process at a time holds the lease of a wake. Every change of a row names the fence it was read with, so a holder
that was overtaken changes nothing; every call to a provider happens outside transactions. A round (``tend``) does at
most one step for each wake and comes back, so nothing is lost when its process dies between two.
"""

import contextlib
import datetime
import logging
import math
import os
import secrets
import socket
import threading
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from inference import budget, drivers, gpu_ledger, wake
from inference.drivers import http
from inference.drivers.base import CALL_S, Driver, DriverError, Fenced, PowerState
from inference.models import Backend, Wake

logger = logging.getLogger(__name__)
State = Wake.State
# Beats missed until another process may take the lease: 30 s of 10.
MISSED_BEATS = 3
TRIES = 2  # one wake call and one retry
# The part of the wake timeout after which a provider that says *asleep* is believed: theirs lag behind.
PATIENCE = 0.25
# Ends that make the wake *failed*, with a pause before the next; all others are *asleep*.
FAILURES = frozenset({"timeout", "refused", "died"})
# Fences of a later wake begin above all those of earlier ones: the id grows, and only one wake is open.
FENCES_PER_WAKE = 1_000_000
_round = threading.Lock()
_mark = secrets.token_hex(4)  # in a container every process may have the same number


def holder() -> str:
    """Return the name under which this process holds leases."""
    return f"{socket.gethostname()[:50]}:{os.getpid()}:{_mark}"


def tend() -> int:
    """Do the next step for each open wake that is ours to tend. Returns how many are open.

    A second round in the same process while one is under way does nothing.
    """
    if not _round.acquire(blocking=False):
        return 0
    try:
        rows = list(Wake.objects.filter(state__in=Wake.OPEN))
        for row in rows:
            try:
                if take(row, holder()):
                    step(row, drivers.driver())
            except Fenced:
                logger.warning("wake %s: overtaken", row.public_id)
        return len(rows)
    finally:
        _round.release()


def take(row: Wake, name: str, *, older_than_s: float | None = None, by: int = 1) -> bool:
    """Take or keep the lease and write the heartbeat when one is due. False where somebody else holds it.

    Taken over, the fence grows ``by`` so much and ``row`` knows it. ``older_than_s``: how long the other holder must
    have been silent.
    """
    beat = datetime.timedelta(seconds=settings.LLM_GPU_HEARTBEAT_S)
    mine = Wake.objects.filter(pk=row.pk, state__in=Wake.OPEN)
    if row.holder == name:
        kept = mine.filter(holder=name, fence=row.fence)
        if row.heartbeat_at is not None and gpu_ledger.database_now() - row.heartbeat_at < beat:
            return kept.exists()
        return _written(row, kept, heartbeat_at=Now())
    silent = beat * MISSED_BEATS if older_than_s is None else datetime.timedelta(seconds=older_than_s)
    free = Q(holder="") | Q(heartbeat_at__lt=Now() - silent)
    taken = _written(
        row,
        mine.filter(free, fence=row.fence),
        holder=name,
        fence=Greatest(F("fence") + by, F("id") * FENCES_PER_WAKE),
        heartbeat_at=Now(),
    )
    if taken:
        logger.info("wake %s: lease %d taken", row.public_id, row.fence)
    return taken


def _written(row: Wake, where: Any, **values: object) -> bool:
    """Change the row where it still is what we read; ``row`` then says what the database does."""
    if not where.update(**values):
        return False
    row.refresh_from_db()
    return True


def move(row: Wake, to: State, **values: object) -> bool:
    """Take the row to another state in the name of its fence; False where it is no longer ours or no longer there."""
    before = row.state
    moved = _written(row, Wake.objects.filter(pk=row.pk, state=before, fence=row.fence), state=to, **values)
    if moved:
        logger.info("wake %s: %s -> %s %s", row.public_id, before, to, row.failure)
        wake.forget(row.backend)
    return moved


def step(row: Wake, driver: Driver) -> None:
    """Do the one thing that is due. Raises Fenced."""
    if row.state == State.REQUESTED:
        _begin(row, driver)
    elif row.state == State.WAKING:
        _wait(row, driver)
    elif row.state == State.READY:
        _watch(row, driver)
    if row.state == State.SLEEPING:
        put_to_sleep(row, driver)


def _begin(row: Wake, driver: Driver) -> None:
    if not _switched_on(row.backend):
        end(row, "switched_off")
    elif move(row, State.WAKING, waking_at=Now()):
        _call(row, driver)


def _call(row: Wake, driver: Driver) -> None:
    """Send one of the wake calls. It is counted before it is sent, so that one which kills us counts too."""
    ours = Wake.objects.filter(pk=row.pk, state=State.WAKING, fence=row.fence)
    if not _written(row, ours, attempts=F("attempts") + 1, attempted_at=Now()):
        return
    try:
        driver.wake(row.fence)
    except Fenced:
        raise
    except DriverError as error:
        logger.warning("wake %s: call %d failed (%s)", row.public_id, row.attempts, error)
        if row.attempts >= TRIES:
            end(row, "refused")
        else:
            _written(row, ours, attempted_at=None)  # the next round tries again


def _wait(row: Wake, driver: Driver) -> None:
    """Ready when the backend lists a model we want. One retry, within what was reserved; then it has failed."""
    found = wanted_of(listed()) if row.attempted_at else None
    now = gpu_ledger.database_now()
    waited_s = (now - row.attempted_at).total_seconds() if row.attempted_at else 0.0
    is_late = waited_s > settings.LLM_GPU_WAKE_TIMEOUT_S
    if not _switched_on(row.backend):
        end(row, "switched_off")
    elif found is not None:
        move(row, State.READY, ready_at=Now(), used_at=Now(), model=found)
    elif is_late and row.attempts >= TRIES:
        end(row, "timeout")
    elif _reservation_is_over(row, now):
        end_uncovered(row, "timeout")
    elif row.attempts < TRIES and (row.attempted_at is None or is_late or _has_stopped(driver, waited_s)):
        # Whatever came of the first call is stopped before the second.
        if row.attempts:
            with contextlib.suppress(DriverError):
                driver.sleep(row.fence)
        _call(row, driver)


def _has_stopped(driver: Driver, waited_s: float) -> bool:
    """Whether the provider says, and not just because it has not noticed our call yet, that nothing runs."""
    return waited_s > settings.LLM_GPU_WAKE_TIMEOUT_S * PATIENCE and driver.state() == PowerState.ASLEEP


def _reservation_is_over(row: Wake, now: datetime.datetime) -> bool:
    """Whether the sleep call has to go out now, so that the switch and the last granule are still paid for."""
    if row.covered_until is None:
        return False
    kept = datetime.timedelta(seconds=settings.LLM_GPU_SWITCH_S + settings.LLM_GPU_GRANULE_S)
    return now > row.covered_until - kept


def _watch(row: Wake, driver: Driver) -> None:
    """Awake: to sleep when switched off, idle, not paid for any longer, or found dead."""
    now = gpu_ledger.database_now()
    idle = datetime.timedelta(seconds=settings.LLM_GPU_IDLE_S)
    if not _switched_on(row.backend):
        end(row, "switched_off")
    elif _reservation_is_over(row, now):
        end_uncovered(row, "reservation_over")
    elif row.used_at is not None and now - row.used_at > idle:
        # Asked of the row itself: somebody may have begun an answer since we read it.
        _ended(row, Wake.objects.filter(used_at__lt=Now() - idle), "")
    elif _has_just_beaten(row, now) and driver.state() == PowerState.ASLEEP:
        end(row, "died")


def _has_just_beaten(row: Wake, now: datetime.datetime) -> bool:
    """Whether this round wrote the heartbeat: a provider is asked no more often than that."""
    return row.heartbeat_at is not None and (now - row.heartbeat_at).total_seconds() < settings.LLM_GPU_TEND_S


def end(row: Wake, failure: str) -> bool:
    """Decide that the backend goes to sleep, and why; it is told in the next step."""
    return _ended(row, Wake.objects.all(), failure)


def end_uncovered(row: Wake, failure: str) -> bool:
    """End a wake whose reservation is over, unless somebody has paid for more of it since we read the row."""
    return _ended(row, Wake.objects.filter(covered_until=row.covered_until), failure)


def _ended(row: Wake, where: Any, failure: str) -> bool:
    before = row.state
    mine = where.filter(pk=row.pk, state=before, fence=row.fence)
    if not _written(row, mine, state=State.SLEEPING, sleeping_at=Now(), failure=failure):
        return False
    logger.info("wake %s: %s -> sleeping %s", row.public_id, before, failure)
    wake.forget(row.backend)
    return True


def put_to_sleep(row: Wake, driver: Driver) -> bool:
    """Tell the backend, and close the wake and its bill once it sleeps. False while it does not: tried again.

    Raises Fenced. A wake whose call never went out has nothing to stop.
    """
    try:
        if row.attempts:
            driver.sleep(row.fence)
            if not _sleeps(row, driver):
                return False
    except Fenced:
        raise
    except DriverError as error:
        logger.error("wake %s: still awake, the provider does not answer (%s)", row.public_id, error)
        return False
    return close(row, driver)


def _sleeps(row: Wake, driver: Driver) -> bool:
    state = driver.state()
    if state != PowerState.UNKNOWN:
        return state == PowerState.ASLEEP
    # The provider cannot be asked: its word on the sleep call counts, or its own idle limit after the last request.
    return driver.sleeps_by_itself_s is None or gpu_ledger.database_now() >= _asleep_at(row, driver)


def _asleep_at(row: Wake, driver: Driver) -> datetime.datetime:
    last = row.used_at or row.sleeping_at or row.requested_at
    return last + datetime.timedelta(seconds=driver.sleeps_by_itself_s or 0.0)


def close(row: Wake, driver: Driver) -> bool:
    """Write the end and settle the bill in one transaction."""
    billed_s = _billed_s(row, driver)
    to = State.FAILED if row.failure in FAILURES else State.ASLEEP
    with transaction.atomic():
        if not move(row, to, ended_at=Now(), billed_s=billed_s):
            return False
        budget.settle(row)
    return True


def _billed_s(row: Wake, driver: Driver) -> int:
    """Return the provider's own count, else the clock's: from the first wake call to now, or to the idle limit."""
    if not row.attempts or row.waking_at is None:
        return 0
    found = driver.billed_seconds(row.waking_at)
    if found is not None:
        return found
    now = gpu_ledger.database_now()
    until = now if driver.sleeps_by_itself_s is None else max(now, _asleep_at(row, driver))
    return max(0, math.ceil((until - row.waking_at).total_seconds()))


def _switched_on(backend: str) -> bool:
    return Backend.objects.filter(name=backend, enabled=True, model__enabled=True).exists()


# --- ready means: the wanted model is listed ---


def listed() -> list[str]:
    """Return the names in the backend's ``/v1/models``; empty where it does not answer as it should."""
    gpu = settings.LLM_GPU
    try:
        answer = http.call("GET", f"{gpu['url'].rstrip('/')}/v1/models", token=gpu["key"], timeout_s=CALL_S / 2)
    except DriverError:
        return []
    entries = answer.body.get("data") if answer.is_success else None
    if not isinstance(entries, list):
        return []
    return [entry["id"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def wanted_of(names: Sequence[str]) -> str | None:
    """Return the listed name that will do: the wanted model's, else the first of the fallbacks that is listed.

    Ollama lists ``name:latest`` for ``name``.
    """
    for wanted in (settings.LLM_GPU["model"], *settings.LLM_GPU["fallbacks"]):
        for name in (wanted, f"{wanted}:latest"):
            if name in names:
                return name[:200]
    return None
