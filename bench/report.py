"""What a program found, beside its goal: a table for people, JSON for machines."""

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

# Above this share of the cores in other hands while a program runs, its absolute figures mean little.
BUSY_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. ``goal`` is an upper bound where ``at_most``, else a lower one; None where there is no goal.

    ``interval`` is a 95 % interval of ``value``: the goal is met when the interval reaches it. ``against`` names what
    the figure was compared with in the same run, ``note`` what a reader must know.
    """

    what: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = True
    interval: tuple[float, float] | None = None
    against: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        low, high = self.interval or (self.value, self.value)
        return low <= self.goal if self.at_most else high >= self.goal


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when it was measured, and how busy the machine had been before (the kernel's load averages)."""

    date: str
    cpu: str
    cores: int
    memory_gib: int
    python: str
    load: tuple[float, float, float]


@dataclass(slots=True)
class Report:
    """The results of one program. ``others_share`` is the part of all cores that other work took meanwhile, 0 to 1."""

    name: str
    machine: Machine
    results: list[Result] = field(default_factory=list)
    duration_s: float = 0.0
    others_share: float = 0.0

    @property
    def busy(self) -> bool:
        return self.others_share > BUSY_SHARE

    def as_json(self) -> dict[str, Any]:
        names = Result.__slots__
        return {
            "program": self.name,
            "machine": {name: getattr(self.machine, name) for name in Machine.__slots__},
            "duration_s": round(self.duration_s, 1),
            "others_share": round(self.others_share, 3),
            "busy": self.busy,
            "results": [{n: getattr(one, n) for n in names} | {"met": one.met} for one in self.results],
        }


def look_at_machine() -> Machine:
    """Describe this machine, before anything of ours runs."""
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        cpu=_cpu_name(),
        cores=psutil.cpu_count() or 1,
        memory_gib=round(psutil.virtual_memory().total / 2**30),
        python=platform.python_version(),
        load=os.getloadavg(),
    )


def run_program(name: str, measure: Callable[[], list[Result]], arguments: list[str] | None = None) -> int:
    """Measure, print the table, write ``--json FILE`` if asked. Returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog=f"bin/bench {name}", description=sys.modules[measure.__module__].__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    options = parser.parse_args(arguments)
    # Being told to stop ends the program by way of its contexts, so that no server it started outlives it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    report = Report(name, look_at_machine())
    began, all_before, ours_before = time.monotonic(), _all_cpu_s(), _our_cpu_s()
    report.results = measure()
    report.duration_s = time.monotonic() - began
    others_s = (_all_cpu_s() - all_before) - (_our_cpu_s() - ours_before)
    report.others_share = max(0.0, others_s / report.duration_s / report.machine.cores)
    print(table(report), flush=True)
    if options.json:
        options.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 1 if any(result.met is False for result in report.results) else 0


def _all_cpu_s() -> float:
    """Return the CPU time that everything on this machine has used."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def _our_cpu_s() -> float:
    """Return the CPU time of this process and of all it started that has ended: a program stops what it started."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def table(report: Report) -> str:
    """Return the report as text, one line per figure."""
    machine = report.machine
    load = ", ".join(f"{value:.2f}" for value in machine.load)
    lines = [
        f"\n{report.name}: {machine.date}, {machine.cpu}, {machine.cores} cores, {machine.memory_gib} GiB",
        f"took {report.duration_s:.0f} s; load before {load}; other work took {report.others_share:.0%} of the cores",
    ]
    if report.busy:
        lines.append("WARNING: the machine was busy with other work. Trust ratios of this run, not absolute figures.")
    width = max((len(result.what) for result in report.results), default=0)
    lines += [_line(result, width) for result in report.results]
    return "\n".join(lines)


def _line(result: Result, width: int) -> str:
    value = f"{_figure(result.value)} {result.unit}".strip()
    between = f"[{_figure(result.interval[0])}, {_figure(result.interval[1])}]" if result.interval else ""
    goal = ""
    if result.goal is not None:
        sign = "<=" if result.at_most else ">="
        goal = f"goal {sign} {_figure(result.goal)}  {'met' if result.met else 'NOT MET'}"
    tail = "; ".join(text for text in (result.against, result.note) if text)
    return f"  {result.what:<{width}}  {value:>16}  {between:<18} {goal:<24} {tail}".rstrip()


def _figure(value: float) -> str:
    """Return a number with three figures that count, whole from a hundred on."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
