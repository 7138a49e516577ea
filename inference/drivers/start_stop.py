"""A provider with an address that starts the machine and one that stops it, both by POST with a bearer token."""

import datetime
import math

from django.conf import settings

from inference.drivers import http
from inference.drivers.base import DriverError, PowerState

# What providers call it. A word that is not here is *unknown*, and the clock decides.
WORDS = {
    PowerState.AWAKE: {"awake", "running", "started", "ready", "active", "healthy", "up", "online"},
    PowerState.WAKING: {"waking", "starting", "pending", "loading", "initializing", "creating", "provisioning"},
    PowerState.ASLEEP: {"asleep", "stopped", "exited", "paused", "suspended", "terminated", "scaled_to_zero", "off"},
}


class StartStop:
    """Starts at ``LLM_GPU_WAKE_URL``, stops at ``LLM_GPU_SLEEP_URL``, looks at ``LLM_GPU_STATE_URL`` if there is one.

    Fencing happens in our rows alone: providers know no such thing.
    """

    sleeps_by_itself_s: float | None = None

    def wake(self, fence: int) -> None:
        """Start it."""
        self._ask(settings.LLM_GPU_WAKE_URL)

    def sleep(self, fence: int) -> None:
        """Stop it."""
        self._ask(settings.LLM_GPU_SLEEP_URL)

    def _ask(self, url: str) -> None:
        answer = http.call("POST", url, token=settings.LLM_GPU_WAKE_TOKEN, body={})
        if not answer.is_success:
            raise DriverError(f"status_{answer.status}")

    def state(self) -> PowerState:
        """Return what the provider's word means."""
        if not settings.LLM_GPU_STATE_URL:
            return PowerState.UNKNOWN
        try:
            answer = http.call("GET", settings.LLM_GPU_STATE_URL, token=settings.LLM_GPU_WAKE_TOKEN)
        except DriverError:
            return PowerState.UNKNOWN
        word = str(answer.body.get("state") or answer.body.get("status") or "").lower()
        if not answer.is_success:
            return PowerState.UNKNOWN
        return next((state for state, words in WORDS.items() if word in words), PowerState.UNKNOWN)

    def billed_seconds(self, since: datetime.datetime) -> int | None:
        """Return ``billed_s`` of the provider's answer, rounded up; None where it says nothing of the kind."""
        if not settings.LLM_GPU_STATE_URL:
            return None
        url = settings.LLM_GPU_STATE_URL
        url += ("&" if "?" in url else "?") + f"since={since.timestamp():.3f}"
        try:
            answer = http.call("GET", url, token=settings.LLM_GPU_WAKE_TOKEN)
        except DriverError:
            return None
        found = answer.body.get("billed_s") if answer.is_success else None
        return math.ceil(found) if isinstance(found, int | float) and 0 <= found < 10**9 else None
