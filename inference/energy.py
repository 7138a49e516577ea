"""What an answer took: CPU seconds of the model's server, and a modelled range of energy and cost.

Nothing here is measured in joules: a virtual machine shows no power counter. The range is
CPU seconds x watts of one busy thread x PUE, with 2, 4 and 10 W for low, mid and high. 4 W per thread is
codecarbon 3.3's default where no counter is readable; 2 and 10 W are our assumption for efficient and
old servers. A whole card of a GPU is taken at 150, 300 and 750 W, our assumption with the same spread, for as long
as the answer took; waking it and waiting are not in an answer's figure. Training, idle time, network and the reader's
device are left out. See /frugality/.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

WATTS_PER_THREAD = {"low": 2.0, "mid": 4.0, "high": 10.0}
WATTS_PER_CARD = {"low": 150.0, "mid": 300.0, "high": 750.0}
PUE = 1.2  # the overhead of a data centre as EcoLogits 0.11 assumes; a machine at home has less
HOURS_PER_MONTH = 730.0
METHOD = "cpu-seconds x 2/4/10 W x PUE 1.2 (modelled)"
METHOD_DURATION = "answer's duration x 2/4/10 W x PUE 1.2 (modelled)"
METHOD_CARD = "answer's duration x 150/300/750 W of a whole card x PUE 1.2 (modelled), without wake and idle time"
METHOD_TIMINGS = "server's own timings x 2/4/10 W x PUE 1.2 (modelled)"


@dataclass(frozen=True, slots=True)
class Effort:
    """What one completion took. ``method`` names how ``cpu_s`` was found; on a GPU these are the card's seconds.

    ``usd_per_hour`` is what a machine costs that is billed by the second, None for a share of our own.
    """

    cpu_s: float
    method: str
    watts: Mapping[str, float] = field(default_factory=lambda: WATTS_PER_THREAD)
    usd_per_hour: float | None = None

    @property
    def energy_j(self) -> dict[str, float]:
        """Joules, low to high."""
        return {name: round(self.cpu_s * watts * PUE, 2) for name, watts in self.watts.items()}

    @property
    def cost_usd(self) -> float:
        """This answer's share of the machine's monthly price, by CPU time, or its seconds at an hourly price."""
        if self.usd_per_hour is not None:
            return round(self.cpu_s * self.usd_per_hour / 3600, 8)
        share = self.cpu_s / ((os.cpu_count() or 1) * HOURS_PER_MONTH * 3600)
        return round(settings.MACHINE_USD_PER_MONTH * share, 8)


def process_cpu_s(pid: int) -> float | None:
    """Return user and system CPU seconds of a process so far, or None when it is gone (proc(5), stat 14 and 15)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Meter:
    """Shares the server's CPU time among the completions that ran while it passed.

    Between two changes of who is running, each running one is charged an equal part, so the
    sum over answers is what the process really used.
    """

    def __init__(self, pid_file: str) -> None:
        self._pid_file = pid_file
        self._charged: dict[int, float] = {}
        self._last: float | None = None

    def _share(self) -> None:
        now = self._read()
        if now is not None and self._last is not None and self._charged and now > self._last:
            part = (now - self._last) / len(self._charged)
            for number in self._charged:
                self._charged[number] += part
        self._last = now

    def _read(self) -> float | None:
        if not self._pid_file:
            return None  # a server elsewhere
        try:
            return process_cpu_s(int(Path(self._pid_file).read_text()))
        except (OSError, ValueError):
            return None

    def begin(self, number: int) -> None:
        self._share()
        self._charged[number] = 0.0

    def end(self, number: int) -> float | None:
        """Return the CPU seconds of a completion; None when the process could not be read."""
        self._share()
        seconds = self._charged.pop(number, 0.0)
        return seconds if self._last is not None else None
