"""Ten thousand API calls, some abandoned, a web process and the worker killed among them: is the ledger exact?

Every call has an Idempotency-Key and is asked again until it has an end, as a careful client does it, at either of two
web processes in front of one database. What the callers saw is then held against the lines of the ledger.
"""

import asyncio
import itertools
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from bench.figures import percentile
from bench.report import Result, run_program
from bench.stage import bench_site
from tests import scripted
from tests.customers import question, sql
from tests.faults.calls import PRICES, STILL_RESERVED, differences, new_caller, second_web
from tests.live import Site, wait_for

CALLS, AT_A_TIME = 10_000, 32
# Of a hundred calls one is given up by its caller; of three, two are streamed.
ABORTED_EACH, WHOLE_EACH = 100, 3
ORPHAN_S, SWEEP_S = 10.0, 0.5
AGAIN_S = 0.2
FIRST_WORD = b'"content":"the'  # of a scripted answer
CALL_S, SETTLED_S = 60.0, 60.0
LINES = """
SELECT request_id::text, outcome, prompt_tokens, completion_tokens, cost_microusd, reserved_microusd, idempotency
  FROM billing_usagerecord WHERE key_id = %s AND id > %s
"""


@dataclass
class Seen:
    """What the callers saw. ``complete`` has the tokens of each finished answer by its request id."""

    complete: dict[str, tuple[int, int]] = field(default_factory=dict)
    told_complete: set[str] = field(default_factory=set)
    aborted: set[str] = field(default_factory=set)
    asked_again: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def ended(self) -> int:
        return len(self.seconds)


@dataclass
class Run:
    """One run: a site, a second web process to kill, and as many calls as wanted."""

    site: Site
    beside: Site
    key: str
    key_id: int
    calls: int
    at_a_time: int = AT_A_TIME
    seen: Seen = field(default_factory=Seen)
    took_s: float = 0.0

    def __post_init__(self) -> None:
        self.name = secrets.token_hex(8)
        ((self.from_id,),) = sql(self.site, "SELECT coalesce(max(id), 0) FROM billing_usagerecord")

    async def callers(self) -> None:
        """Make all calls; kill the worker after a third of them, the second web process in the middle."""
        numbers = iter(range(self.calls))
        connections = aiohttp.TCPConnector(limit=0)
        headers = {"Authorization": f"Bearer {self.key}"}
        limit = aiohttp.ClientTimeout(total=CALL_S)
        began = time.monotonic()
        async with aiohttp.ClientSession(connector=connections, headers=headers, timeout=limit) as session:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.killing())
                for _caller in range(self.at_a_time):
                    tasks.create_task(self.caller(session, numbers))
        self.took_s = time.monotonic() - began

    async def killing(self) -> None:
        for share, site, name in ((1 / 3, self.site, "worker"), (1 / 2, self.beside, "web")):
            while self.seen.ended < self.calls * share:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            site.processes[name].kill()
            await asyncio.to_thread(site.processes[name].wait)
            await asyncio.to_thread(site.start_worker if name == "worker" else site.start_web)

    async def caller(self, session: aiohttp.ClientSession, numbers: Iterator[int]) -> None:
        for number in numbers:
            began = time.monotonic()
            for attempt in itertools.count(number):
                door = (self.site, self.beside)[attempt % 2]
                again = await self.attempt(session, door.url, number)
                if not again:
                    break
                self.seen.asked_again[again] += 1
                if time.monotonic() - began > CALL_S:
                    raise RuntimeError(f"call {number} has no end: {again}")
                await asyncio.sleep(AGAIN_S)
            self.seen.seconds.append(time.monotonic() - began)

    async def attempt(self, session: aiohttp.ClientSession, url: str, number: int) -> str:
        """Make a call once; return why it must be asked again, "" at its end."""
        leaves = number % ABORTED_EACH == 1
        stream = leaves or number % WHOLE_EACH != 0
        body = question(stream=stream) | ({"stream_options": {"include_usage": True}} if stream else {})
        headers = {"Idempotency-Key": f"{self.name}-{number}"}
        try:
            async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
                request_id = response.headers.get("x-request-id", "")
                if leaves and response.status == 200:
                    begun = await response.content.readuntil(FIRST_WORD)
                    response.close()
                    if not begun.endswith(FIRST_WORD):
                        return "stream ended early"
                    self.seen.aborted.add(request_id)
                    return ""
                answer = await response.read()
        except (aiohttp.ClientError, asyncio.IncompleteReadError, OSError):
            return "connection lost"
        if response.status != 200:
            return self.refused(response.status, msgspec.json.decode(answer)["error"])
        usage = _usage(answer, stream)
        if usage is None:
            return "stream ended early"
        self.seen.complete[request_id] = usage["prompt_tokens"], usage["completion_tokens"]
        return ""

    def refused(self, status: int, error: dict[str, Any]) -> str:
        if error["code"] != "already_completed":
            return f"{status} {error['code']}"
        self.seen.told_complete.add(error["first_request_id"])
        return ""

    def misses(self) -> dict[str, int]:
        """Return by what it is how often the ledger differs from what the callers saw."""
        ((read, written),) = sql(self.site, PRICES, "wagmi-small")
        lines = {line[0]: line[1:] for line in sql(self.site, LINES, self.key_id, self.from_id)}
        others = Counter[str]()
        for request_id, tokens in self.seen.complete.items():
            outcome, *counts, cost, reserved, _named = lines.get(request_id, ("", 0, 0, 0, 0, None))
            price = min(reserved, -(-(tokens[0] * read + tokens[1] * written) // 1_000_000))
            others["complete for its caller, not in the ledger"] += outcome != "done" or tuple(counts) != tokens
            others["not billed at its price"] += cost != price
        for request_id in self.seen.aborted:
            written_tokens, cost = lines.get(request_id, ("", 0, 0, 0))[2:4]
            others["given up after words, not billed"] += not (written_tokens and cost)
        named = [line for line in lines.values() if line[5] is not None]
        others["called complete without a line"] = len(self.seen.told_complete - lines.keys())
        others["calls without a line of their own, or with two"] = abs(self.calls - len(named))
        others["lines billed that no call names"] = sum(line[3] > 0 for line in lines.values() if line[5] is None)
        return {"sums that differ, reservations left": len(differences(self.site)), **others}

    def swept(self) -> int:
        statement = "SELECT count(*) FROM billing_usagerecord WHERE key_id = %s AND id > %s AND state = 'swept'"
        return int(sql(self.site, statement, self.key_id, self.from_id)[0][0])


def _usage(answer: bytes, stream: bool) -> dict[str, int] | None:
    """Return the usage of a whole answer, None where its end is missing."""
    if not stream:
        return dict(msgspec.json.decode(answer)["usage"])
    if not answer.endswith(b"data: [DONE]\n\n"):
        return None
    last = answer.rsplit(b"data: ", 2)[1]
    return dict(msgspec.json.decode(last)["usage"])


def make_calls(run: Run) -> None:
    """Make the calls of a run and wait until the sweeper has settled what its victims left."""
    asyncio.run(run.callers())
    wait_for(lambda: sql(run.site, STILL_RESERVED) == [(0,)], SETTLED_S, run.site.log("worker"))


def measure(calls: int = CALLS) -> list[Result]:
    """Make the calls on a site of their own."""
    with scripted.ScriptedServer() as server:
        server.behaviour = scripted.slowly(0.002)
        overrides = {
            "LLM_CPU_URL": server.url,
            "LLM_CPU_SLOTS": str(AT_A_TIME),
            "API_ORPHAN_S": str(ORPHAN_S),
            "BILLING_SWEEP_S": str(SWEEP_S),
        }
        with bench_site(overrides, model=False) as site, second_web(site) as beside:
            site.start_worker()
            caller = new_caller(site)
            run = Run(site, beside, caller.key, caller.key_id, calls)
            make_calls(run)
            return results(run)


def results(run: Run) -> list[Result]:
    """Return the table: what was done, then every way in which the ledger could differ, each with the goal 0."""
    seen = run.seen
    again = ", ".join(f"{name} {number}" for name, number in sorted(seen.asked_again.items()))
    rows = [
        Result("calls", run.calls, "", note=f"{run.at_a_time} at a time, two web processes"),
        Result("complete", len(seen.complete), ""),
        Result("given up by the caller", len(seen.aborted), ""),
        Result("cut off by a kill, billed as delivered", len(seen.told_complete), ""),
        Result("asked again", sum(seen.asked_again.values()), "times", note=again),
        Result("settled by the sweeper", run.swept(), ""),
        Result("calls a second", run.calls / run.took_s, "", note="callers, model server and site on the same cores"),
        Result("a call, p50", percentile(seen.seconds, 0.5) * 1000, "ms"),
        Result("a call, p95", percentile(seen.seconds, 0.95) * 1000, "ms"),
    ]
    return rows + [Result(what, number, "", goal=0) for what, number in run.misses().items()]


if __name__ == "__main__":
    sys.exit(run_program("ledger", measure))
