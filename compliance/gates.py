"""Checks that a release, or the file for the AI Act, must pass: apps register what they know, one command runs them.

What a machine can show is *passed* or *failed*. What nobody has run is *not_run*, and that blocks as a failure does.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from compliance.errors import UnknownTag
from compliance.models import EvidenceRecord

logger = logging.getLogger(__name__)
NOT_A_CERTIFICATE = "technical evidence, not a conformity certificate"


@dataclass(frozen=True, slots=True)
class Passed:
    """It was looked at now and is so. ``reason`` says what was seen, ``record`` on which evidence it rests."""

    reason: str = ""
    record: int | None = None
    state = "pass"


@dataclass(frozen=True, slots=True)
class Failed:
    """It was looked at now and is not so."""

    reason: str
    record: int | None = None
    state = "fail"


@dataclass(frozen=True, slots=True)
class NotRun:
    """It could not be looked at; ``reason`` says what is missing."""

    reason: str
    record: int | None = None
    state = "not_run"


Outcome = Passed | Failed | NotRun
Check = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class Gate:
    """One check, as it was registered. An ``optional`` one is run only when somebody asks for it by name."""

    id: str
    tags: frozenset[str]
    title: str
    check: Check
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to. ``state`` is pass, fail or not_run; ``record`` the number of the evidence it rests on."""

    id: str
    title: str
    state: str
    reason: str
    record: int | None = None


_gates: dict[str, Gate] = {}


def gate(id: str, *, tags: Collection[str], title: str, optional: bool = False) -> Callable[[Check], Check]:
    """Register a check under an id of its own. Applied in a module that its app imports in ``AppConfig.ready``."""

    def register(check: Check) -> Check:
        if id in _gates:
            raise ValueError(f"two gate checks are called {id}")
        _gates[id] = Gate(id, frozenset(tags), title, check, optional)
        return check

    return register


def tags() -> list[str]:
    """Return every tag that some check has, sorted."""
    return sorted({tag for each in _gates.values() for tag in each.tags})


def optional() -> list[Gate]:
    """Return the checks that are run only when somebody asks for them, by id."""
    return [each for _id, each in sorted(_gates.items()) if each.optional]


def run(tag: str, *, also: Collection[str] = ()) -> list[Result]:
    """Run every check of a tag, by id; of the optional ones those in ``also``. A check that raises has failed.

    Raises UnknownTag.
    """
    if tag not in tags():
        raise UnknownTag(tag)
    wanted = [each for _id, each in sorted(_gates.items()) if tag in each.tags]
    return [_result(each) for each in wanted if not each.optional or each.id in also]


def passed(results: Collection[Result]) -> bool:
    """Whether all is proven: something was looked at, and nothing failed or was left out."""
    return verdict(results) == Passed.state


def verdict(results: Collection[Result]) -> str:
    """Return pass, fail or not_run: one failure fails, and what was not looked at was not passed."""
    states = {result.state for result in results}
    if Failed.state in states:
        return Failed.state
    return Passed.state if states == {Passed.state} else NotRun.state


def said(tag: str, results: Collection[Result]) -> dict[str, Any]:
    """Return a run as machines read it and as the evidence holds it."""
    checks = [{"id": each.id, "result": each.state, "reason": each.reason, "record": each.record} for each in results]
    return {"gate": tag, "result": verdict(results), "note": NOT_A_CERTIFICATE, "checks": checks}


def recorded() -> list[EvidenceRecord]:
    """Return the newest run on record of each gate, by name; one of an older form is left out."""
    runs = EvidenceRecord.objects.filter(kind="gate", body__has_key="result")
    newest = {record.body["gate"]: record for record in runs.order_by("number")}
    return [newest[tag] for tag in sorted(newest)]


def _result(each: Gate) -> Result:
    outcome: Outcome
    try:
        outcome = each.check()
    except Exception as error:
        # Its class only: a message may quote what it stumbled over.
        logger.warning("gate %s raised %s", each.id, type(error).__name__)
        outcome = Failed(f"the check itself ended with {type(error).__name__}")
    return Result(each.id, each.title, outcome.state, outcome.reason, outcome.record)
