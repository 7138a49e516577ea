"""Which backend gets the next question: switched on, of the tier, not known to be failing."""

import time
from collections.abc import Hashable
from dataclasses import dataclass

from inference.registry import Served

FAILURES_TO_OPEN = 5
OPEN_S = 10.0


@dataclass(slots=True)
class Breaker:
    """Opens after five failures in a row; after ten seconds one trial at a time may close it again.

    The failures of one owner in a row are one failure: what no model could answer in time, asked again and again, does
    not take the model from everybody else. Who has no owner counts each time.
    """

    failures: int = 0
    failed_for: Hashable = None
    opened_at: float = 0.0
    trial_at: float = 0.0

    def is_open(self, now: float) -> bool:
        """Whether nobody may try now. Looking changes nothing, so a page that shows the state takes nobody's trial."""
        waits = now - self.opened_at < OPEN_S or now - self.trial_at < OPEN_S
        return self.failures >= FAILURES_TO_OPEN and waits

    def allows(self, now: float) -> bool:
        """Whether the caller may try now; with five failures behind it, this is the one trial of ten seconds."""
        if self.is_open(now):
            return False
        if self.failures >= FAILURES_TO_OPEN:
            self.trial_at = now
        return True

    def succeeded(self) -> None:
        self.failures = 0
        self.failed_for = None

    def failed(self, now: float, *, owner: Hashable = None) -> None:
        if owner is None or owner != self.failed_for:
            self.failures += 1
        self.failed_for = owner
        if self.failures >= FAILURES_TO_OPEN:
            self.opened_at = now


class Router:
    """Keeps a breaker for each backend of this process."""

    def __init__(self) -> None:
        self._breakers: dict[str, Breaker] = {}

    def breaker(self, backend: str) -> Breaker:
        return self._breakers.setdefault(backend, Breaker())

    def candidates(self, served: list[Served], tier: str) -> list[Served]:
        """Return the backends to try in order, best first. Empty when the tier has none that may be tried now."""
        now = time.monotonic()
        usable = [one for one in served if one.enabled and one.tier == tier]
        return [one for one in usable if not self.breaker(one.backend).is_open(now)]
