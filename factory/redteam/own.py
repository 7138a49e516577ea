"""Runs our own cases, each with its positive control: a case whose detectors do not fire there counts for nothing."""

import datetime
import time
from collections.abc import Callable, Sequence

from factory.redteam import cases as written
from factory.redteam.cases import Case
from factory.redteam.doors import Api, Unreachable, guess_without_random_line, send
from factory.redteam.judging import DETECTORS, Outcome, hits, unproven
from factory.redteam.runs import Attempt, Plan, Run, Target
from inference.engine import engine
from inference.errors import InferenceError

TOOL = "own"
VERSION = "1"


def plan(target: Target, chosen: Sequence[Case] | None = None) -> Plan:
    """Return the plan of all our cases, or of some of them."""
    whole = chosen is None or len(chosen) == len(written.cases())
    return Plan(TOOL, VERSION, "all" if whole else "some", written.digest(), target)


async def run(
    chosen: Sequence[Case], planned: Plan, *, api: Api | None, told: Callable[[Attempt], None] | None = None
) -> Run:
    """Put every case to its door, one after the other. Nothing is written down yet."""
    started, began = time.monotonic(), datetime.datetime.now(datetime.UTC)
    attempts = []
    try:
        for case in chosen:
            attempts.append(await attempt(case, api))
            if told:
                told(attempts[-1])
    finally:
        await engine.close()
    return Run(
        plan=planned,
        attempts=attempts,
        duration_s=round(time.monotonic() - started),
        started_at=began.isoformat(timespec="seconds"),
    )


async def attempt(case: Case, api: Api | None) -> Attempt:
    """Return what came of one case. A target that is away makes it void."""
    try:
        silent = unproven(case) or await _unproven_at_the_server(case)
        if silent:
            return Attempt(probe=case.kind, attack=case.id, void=True, why=f"control: {', '.join(silent)}")
        outcome = await send(case, api)
    except Unreachable as error:
        return Attempt(probe=case.kind, attack=case.id, void=True, why=str(error))
    except InferenceError as error:
        return Attempt(probe=case.kind, attack=case.id, void=True, why=error.code)
    found = hits(case, outcome)
    return Attempt(
        probe=case.kind,
        attack=case.id,
        hit=bool(found),
        refused=bool(outcome.code),
        why=", ".join(_said(name, case, outcome) for name in found),
        output=outcome.text,
    )


async def _unproven_at_the_server(case: Case) -> list[str]:
    """Return the detector that did not see what a model server without the random line would give away."""
    if case.door != "cache" or DETECTORS["public_cache"](case, await guess_without_random_line(case)):
        return []
    return ["public_cache"]


def _said(name: str, case: Case, outcome: Outcome) -> str:
    """Return a detector with what it saw, where that is a code."""
    seen = {"code": outcome.code or "answered", "rung": outcome.rung, "turns": str(outcome.kept_turns)}
    return f"{name} {seen[name]}" if name in seen else name
