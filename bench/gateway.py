"""Our ``/v1`` with everything on against LiteLLM's proxy with a master key and no database, in one run.

Ours checks a key, counts limits in Redis, reserves and settles every call in PostgreSQL, durably, with the disk's
fsync; LiteLLM does none of that here. The model behind both is the same scripted server on loopback.
"""

import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.callers import run
from bench.children import running_module
from bench.figures import interval, median_interval, percentile
from bench.gateway_load import Round, Target, load
from bench.litellm_proxy import running_proxy
from bench.processes import tree_pss_kib
from bench.report import Result, run_program
from bench.stage import bench_site
from siteproject.stack.children import cpu_seconds
from siteproject.stack.postgres import binary
from siteproject.stack.probe import free_port
from tests.customers import new_key, sql
from tests.live import Site

PAIRS = 20
ROUND_S = 1.5
ALONE_S = 1.0
WHOLE_TOKENS, STREAM_TOKENS = 8, 64
CROWD = 200
SLOTS = {"LLM_CPU_SLOTS": "64", "LLM_CPU_QUEUE": "512", "LLM_CPU_CACHE_MIB": "0"}
LIFTED = (
    "UPDATE billing_plan SET requests_per_minute = 100000000, tokens_per_minute = 1000000000,"
    " month_limit_microusd = 1000000000000000, parallel_calls = 1000"
)


@dataclass(slots=True)
class Seen:
    """What the rounds of one kind found at one server."""

    rounds: list[Round] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def rates(self) -> list[float]:
        return [each.rate for each in self.rounds]

    @property
    def answers(self) -> int:
        return sum(each.answers for each in self.rounds)

    @property
    def failures(self) -> int:
        return sum(each.failures for each in self.rounds)

    def ms(self, which: Callable[[Round], list[float]]) -> list[float]:
        """Return the median of each round in milliseconds."""
        return [statistics.median(which(each)) * 1000 for each in self.rounds if which(each)]

    @property
    def cpu_ms(self) -> float:
        return self.cpu_s * 1000 / max(1, self.answers)


def measure() -> list[Result]:
    """Measure both and the model server alone, in turn; then two customers beside each other."""
    port = free_port()
    upstream = Target("upstream", f"http://127.0.0.1:{port}", "none", "scripted")
    with (
        running_module("bench.gateway_upstream", port),
        bench_site(SLOTS | {"LLM_CPU_URL": upstream.url}, model=False, durable=True) as site,
        running_proxy(upstream.url) as (theirs, their_pid),
    ):
        ours = Target("ours", site.url, new_key(site), "wagmi-small")
        sql(site, LIFTED)
        our_pid = site.processes["web"].pid
        pids = {"ours": our_pid, "LiteLLM": their_pid}
        time.sleep(3)  # what our process knows of the plan is younger than the change
        results = run(_compare(ours, theirs, upstream, pids, site))
        ratio = tree_pss_kib(our_pid) / tree_pss_kib(their_pid)
        sizes = f"{tree_pss_kib(our_pid) / 1024:.0f} against {tree_pss_kib(their_pid) / 1024:.0f} MiB (PSS)"
        results.append(Result("memory: ours by LiteLLM's", ratio, "", 0.25, against=sizes))
        held = sql(site, "SELECT count(*) FROM billing_usagerecord WHERE state = 'reserved'")[0][0]
        results.append(Result("calls left unsettled", float(held), "", 0))
    return results + run(_fairness())


async def _compare(ours: Target, theirs: Target, upstream: Target, pids: dict[str, int], site: Site) -> list[Result]:
    whole = {"stream": False, "tokens": WHOLE_TOKENS}
    stream = {"stream": True, "tokens": STREAM_TOKENS}
    late = stream | {"late": True}
    for target in (ours, theirs, upstream):
        await load(target, callers=16, seconds=ROUND_S, **stream)
    results = []
    for name, goal, kind in (("requests/s", 10, whole), ("streams/s", 20, stream)):
        seen = await _in_turn([ours, theirs], pids, callers=16, pairs=PAIRS, **kind)
        results += _ratio(f"{name} at 16 callers: ours by LiteLLM's", goal, seen["ours"], seen["LiteLLM"])
    alone = await _in_turn([ours, upstream, theirs], pids, callers=1, pairs=PAIRS, **whole)
    commit_ms = _commit_ms(site)
    added = [mine - its for mine, its in zip(_took(alone["ours"]), _took(alone["upstream"]), strict=True)]
    results.append(
        Result(
            "time added at 1 caller, p50",
            statistics.median(added),
            "ms",
            3 + commit_ms,
            interval=median_interval(added),
            against=f"LiteLLM adds {statistics.median(_took(alone['LiteLLM'])):.1f} ms",
            note=f"3 ms and one durable commit, {commit_ms:.2f} ms by pgbench in this run",
        )
    )
    firsts = await _in_turn([ours, upstream, theirs], pids, callers=16, pairs=PAIRS, **late)
    mine, its = (firsts[name].ms(lambda each: each.first) for name in ("ours", "upstream"))
    added = [one - other for one, other in zip(mine, its, strict=True)]
    against = f"LiteLLM's first token after {statistics.median(firsts['LiteLLM'].ms(lambda e: e.first)):.0f} ms"
    results.append(
        Result(
            "first token added at 16 streams, p50",
            statistics.median(added),
            "ms",
            10,
            interval=median_interval(added),
            against=against,
        )
    )
    return results


def _took(seen: Seen) -> list[float]:
    return seen.ms(lambda each: each.took)


async def _in_turn(
    targets: list[Target], pids: dict[str, int], *, callers: int, pairs: int, **kind: bool | int
) -> dict[str, Seen]:
    """Load the targets in turn, each round beginning with another one."""
    seen = {target.name: Seen() for target in targets}
    seconds = ROUND_S if callers > 1 else ALONE_S
    for number in range(pairs):
        shift = number % len(targets)
        for target in targets[shift:] + targets[:shift]:
            pid = pids.get(target.name)
            before = cpu_seconds(pid) if pid else 0.0
            found = await load(target, callers=callers, seconds=seconds, **kind)  # type: ignore[arg-type]
            seen[target.name].cpu_s += (cpu_seconds(pid) if pid else 0.0) - before
            seen[target.name].rounds.append(found)
    return seen


def _ratio(what: str, goal: float, ours: Seen, theirs: Seen) -> list[Result]:
    ratios = [one / max(other, 0.001) for one, other in zip(ours.rates, theirs.rates, strict=True)]
    rates = f"{statistics.median(ours.rates):.0f} against {statistics.median(theirs.rates):.0f}"
    note = f"CPU {ours.cpu_ms:.2f} against {theirs.cpu_ms:.2f} ms each; failures {ours.failures}, {theirs.failures}"
    return [
        Result(
            what,
            statistics.median(ratios),
            "x",
            goal,
            at_most=False,
            interval=median_interval(ratios),
            against=rates,
            note=note,
        )
    ]


def _commit_ms(site: Site) -> float:
    """Return what one durable commit takes on this disk, as pgbench measures it with one client."""
    sql(site, "CREATE TABLE IF NOT EXISTS bench_commit (n bigint)")
    sql(site, "INSERT INTO bench_commit VALUES (0)")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "commit.sql"
        script.write_text("UPDATE bench_commit SET n = n + 1;\n")
        command = [str(binary("pgbench")), "-n", "-T", "3", "-c", "1", "-f", str(script), site.postgres.url]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"latency average = ([\d.]+) ms", printed)
    assert found, printed
    return float(found[1])


async def _fairness() -> list[Result]:
    """Ask as one customer, alone and beside another one's 200 parallel calls; the model has four places."""
    port = free_port()
    slots = {"LLM_CPU_SLOTS": "4", "LLM_CPU_QUEUE": "512", "LLM_CPU_CACHE_MIB": "0"}
    with (
        running_module("bench.gateway_upstream", port),
        bench_site(slots | {"LLM_CPU_URL": f"http://127.0.0.1:{port}"}, model=False) as site,
    ):
        small, big = (Target(name, site.url, new_key(site), "wagmi-small") for name in ("small", "big"))
        sql(site, LIFTED)
        sql(site, "UPDATE billing_plan SET parallel_calls = 32")
        await asyncio.sleep(3)
        alone: list[float] = []
        beside: list[float] = []
        kind = {"stream": True, "tokens": STREAM_TOKENS, "late": True}
        for _ in range(PAIRS // 2):
            alone += (await load(small, callers=2, seconds=ALONE_S, **kind)).took  # type: ignore[arg-type]
            crowd = asyncio.create_task(load(big, callers=CROWD, seconds=ALONE_S + 0.6, **kind))  # type: ignore[arg-type]
            await asyncio.sleep(0.3)
            beside += (await load(small, callers=2, seconds=ALONE_S, **kind)).took  # type: ignore[arg-type]
            await crowd
    return [
        Result(
            "a customer's p95 beside another's 200 parallel calls, by p95 alone",
            percentile(beside, 0.95) / percentile(alone, 0.95),
            "x",
            1.5,
            interval=_ratio_interval(alone, beside),
            against=f"{percentile(beside, 0.95) * 1000:.0f} against {percentile(alone, 0.95) * 1000:.0f} ms",
            note="four places at the model, 32 calls at a time in the plan; the others get 429 and wait as it says",
        )
    ]


def _ratio_interval(alone: list[float], beside: list[float]) -> tuple[float, float]:
    low, high = interval(beside, lambda samples: percentile(samples, 0.95))
    base = percentile(alone, 0.95)
    return low / base, high / base


if __name__ == "__main__":
    sys.exit(run_program("gateway", measure))
