"""Our own server on this machine (``siteproject.stack.on_demand_server``): start, stop, and a fence it enforces."""

from django.conf import settings

from inference.drivers import http
from inference.drivers.base import DriverError, Fenced
from inference.drivers.start_stop import StartStop


class OnDemand(StartStop):
    """Like a provider's start and stop, and each call carries the fence: an older one is refused with a 409."""

    def wake(self, fence: int) -> None:
        """Start it. Raises Fenced."""
        self._ask_as(settings.LLM_GPU_WAKE_URL, fence)

    def sleep(self, fence: int) -> None:
        """Stop it. Raises Fenced."""
        self._ask_as(settings.LLM_GPU_SLEEP_URL, fence)

    def _ask_as(self, url: str, fence: int) -> None:
        answer = http.call("POST", url, token=settings.LLM_GPU_WAKE_TOKEN, body={"fence": fence})
        if answer.status == 409:
            raise Fenced("fenced")
        if not answer.is_success:
            raise DriverError(f"status_{answer.status}")
