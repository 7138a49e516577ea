"""How a sleeping backend is woken and put to sleep: one module per kind of provider behind one seam (``base``)."""

from django.conf import settings

from inference.drivers.base import Driver
from inference.drivers.on_demand import OnDemand
from inference.drivers.start_stop import StartStop
from inference.drivers.wake_url import WakeUrl

DRIVERS: dict[str, type[OnDemand] | type[StartStop] | type[WakeUrl]] = {
    "on_demand": OnDemand,
    "wake_url": WakeUrl,
    "start_stop": StartStop,
}


def driver() -> Driver:
    """Return the driver of the large tier's backend, as the environment names it."""
    return DRIVERS[settings.LLM_GPU_DRIVER]()
