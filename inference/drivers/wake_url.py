"""A provider that scales to zero: a request to its wake address starts it, and only its own idle limit stops it."""

import contextlib

from django.conf import settings

from inference.drivers import http
from inference.drivers.base import DriverError
from inference.drivers.start_stop import StartStop


class WakeUrl(StartStop):
    """Wakes by ``LLM_GPU_WAKE_METHOD`` to ``LLM_GPU_WAKE_URL``.

    It cannot be told to sleep: to sleep means to ask it nothing more, and it is asleep ``LLM_GPU_PROVIDER_LIMIT_S``
    after the last request. Until then its seconds are billed, and ours to count.
    """

    @property
    def sleeps_by_itself_s(self) -> float | None:  # type: ignore[override]
        """The provider's declared idle limit; a system check refuses to start without one."""
        return settings.LLM_GPU_PROVIDER_LIMIT_S

    def wake(self, fence: int) -> None:
        """Send the request that wakes it. Such an address often answers only once the machine is up."""
        with contextlib.suppress(http.TookTooLong):
            answer = http.call(
                settings.LLM_GPU_WAKE_METHOD, settings.LLM_GPU_WAKE_URL, token=settings.LLM_GPU_WAKE_TOKEN
            )
            # 503 and 504 are how gateways say that it is on its way.
            if not answer.is_success and answer.status not in (502, 503, 504):
                raise DriverError(f"status_{answer.status}")

    def sleep(self, fence: int) -> None:
        """Nothing is sent: any request would keep it awake."""
