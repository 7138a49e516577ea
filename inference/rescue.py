"""What the dead man's switch does (``siteproject.switch``): tends the wakes that nobody tends."""

import logging
import time

from django.conf import settings
from django.db import DatabaseError

from inference import drivers, gpu_ledger, tending
from inference.drivers.base import Driver, DriverError, Fenced
from inference.models import Wake

logger = logging.getLogger(__name__)
HOLDER = "switch"
# Above every fence that holders may have taken while the database was away from us.
AHEAD = 1000


class Switch:
    """Looks at the open wakes again and again. It remembers them, for when the database is away."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}  # wake to fence, as last read
        self._read_at = time.monotonic()
        self._due: set[int] = set()  # to be put to sleep, or put to sleep already, whatever their rows say

    def look(self) -> None:
        """Put to sleep what nobody tends."""
        try:
            rows = list(Wake.objects.filter(state__in=Wake.OPEN))
            self._known = {row.pk: row.fence for row in rows}
            self._read_at = time.monotonic()
            for row in rows:
                self._look_at(row, drivers.driver())
            self._due &= set(self._known)
        except DatabaseError as error:
            self._look_without_database(error)

    def _look_at(self, row: Wake, driver: Driver, why: str = "switch") -> None:
        overdue_s = settings.LLM_GPU_SWITCH_S
        if row.holder != HOLDER and row.pk not in self._due and not self._is_left_alone(row, overdue_s):
            return
        if row.state != Wake.State.SLEEPING and self._is_uncovered(row):
            if not tending.end_uncovered(row, why):
                return  # somebody has paid for more since we read it
            logger.warning("wake %s: its reservation is over, put to sleep by the switch", row.public_id)
        try:
            if not tending.take(row, HOLDER, older_than_s=0.0, by=2 * AHEAD):
                return
            if row.state != Wake.State.SLEEPING and tending.end(row, why):
                logger.warning("wake %s: put to sleep by the switch", row.public_id)
            if row.state == Wake.State.SLEEPING:
                tending.put_to_sleep(row, driver)
        except Fenced:
            logger.warning("wake %s: overtaken", row.public_id)

    def _is_left_alone(self, row: Wake, overdue_s: float) -> bool:
        silent = gpu_ledger.database_now() - (row.heartbeat_at or row.requested_at)
        return self._is_uncovered(row) or silent.total_seconds() > overdue_s

    def _is_uncovered(self, row: Wake) -> bool:
        return row.covered_until is not None and gpu_ledger.database_now() > row.covered_until

    def _look_without_database(self, error: DatabaseError) -> None:
        away_s = time.monotonic() - self._read_at
        logger.warning("database away for %.0f s (%s)", away_s, type(error).__name__)
        if away_s < settings.LLM_GPU_SWITCH_S:
            return
        for wake_id in set(self._known) - self._due:
            if self._sleep(wake_id):
                self._due.add(wake_id)

    def _sleep(self, wake_id: int) -> bool:
        try:
            drivers.driver().sleep(self._known[wake_id] + AHEAD)
        except DriverError as error:
            logger.error("wake %d: not put to sleep (%s)", wake_id, error)
            return False
        logger.error("wake %d: put to sleep, the database has been away", wake_id)
        return True

    def end_all(self) -> bool:
        """Put everything to sleep, because the site stops. True when nothing is open, or nothing can be done."""
        try:
            rows = list(Wake.objects.filter(state__in=Wake.OPEN))
            for row in rows:
                self._due.add(row.pk)
                self._look_at(row, drivers.driver(), "site_stopped")
            return not Wake.objects.filter(state__in=Wake.OPEN).exists()
        except (DatabaseError, KeyError) as error:
            logger.warning("not everything put to sleep (%s)", type(error).__name__)
            return True
