"""What every driver promises, whatever it speaks to.

1. ``wake`` and ``sleep`` come back within ``CALL_S``, whether or not the backend is awake or asleep by then; asking
   again is harmless. They raise DriverError, and Fenced where a newer holder has spoken.
2. ``state`` asks the provider, never the model: it wakes nothing and keeps nothing awake. ``unknown`` where the
   provider cannot be asked; never raises.
3. ``billed_seconds`` is the provider's own count, or None where it has none.
4. No redirect is followed, no proxy variable read, no more than ``MAX_BYTES`` of an answer taken; no token and no
   word of an answer is in an exception or a log line.
"""

import datetime
from enum import StrEnum
from typing import Protocol

CALL_S = 10.0
MAX_BYTES = 64 * 1024


class PowerState(StrEnum):
    ASLEEP = "asleep"
    WAKING = "waking"
    AWAKE = "awake"
    UNKNOWN = "unknown"


class DriverError(Exception):
    """The provider did not do it. ``str`` is a code, never its words."""


class Fenced(DriverError):
    """A newer holder of the lease has spoken: this one is to leave everything alone."""


class Driver(Protocol):
    """The seam to one kind of provider.

    ``sleeps_by_itself_s`` is the provider's own idle limit where it cannot be told to sleep, else None.
    """

    sleeps_by_itself_s: float | None

    def wake(self, fence: int) -> None:
        """Ask for the backend to start."""
        ...

    def sleep(self, fence: int) -> None:
        """Ask for the backend to stop."""
        ...

    def state(self) -> PowerState:
        """Return what the provider says."""
        ...

    def billed_seconds(self, since: datetime.datetime) -> int | None:
        """Return the seconds billed from ``since`` on."""
        ...
