"""Checks that a release, or the file for the AI Act, must pass: apps register what they know, one command runs them.

What a machine can show is *passed* or *failed*. What nobody has run is *not_run*, and that blocks as a failure does.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass

from compliance.errors import UnknownTag

logger = logging.getLogger(__name__)
NOT_A_CERTIFICATE = "technical evidence, not a conformity certificate"


@dataclass(frozen=True, slots=True)
class Passed:
    """It was looked at now and is so. ``reason`` says what was seen."""

    reason: str = ""
    state = "pass"


@dataclass(frozen=True, slots=True)
class Failed:
    """It was looked at now and is not so."""

    reason: str
    state = "fail"


@dataclass(frozen=True, slots=True)
class NotRun:
    """It could not be looked at; ``reason`` says what is missing."""

    reason: str
    state = "not_run"


Outcome = Passed | Failed | NotRun
Check = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class Gate:
    """One check, as it was registered."""

    id: str
    tags: frozenset[str]
    title: str
    check: Check


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to. ``state`` is pass, fail or not_run."""

    id: str
    title: str
    state: str
    reason: str


_gates: dict[str, Gate] = {}


def gate(id: str, *, tags: Collection[str], title: str) -> Callable[[Check], Check]:
    """Register a check under an id of its own. Applied in a module that its app imports in ``AppConfig.ready``."""

    def register(check: Check) -> Check:
        if id in _gates:
            raise ValueError(f"two gate checks are called {id}")
        _gates[id] = Gate(id, frozenset(tags), title, check)
        return check

    return register


def tags() -> list[str]:
    """Return every tag that some check has, sorted."""
    return sorted({tag for each in _gates.values() for tag in each.tags})


def run(tag: str) -> list[Result]:
    """Run every check of a tag, by id. A check that raises has failed. Raises UnknownTag."""
    if tag not in tags():
        raise UnknownTag(tag)
    return [_result(each) for _id, each in sorted(_gates.items()) if tag in each.tags]


def passed(results: Collection[Result]) -> bool:
    """Whether all is proven: something was looked at, and nothing failed or was left out."""
    return bool(results) and all(result.state == Passed.state for result in results)


def _result(each: Gate) -> Result:
    outcome: Outcome
    try:
        outcome = each.check()
    except Exception as error:
        # Its class only: a message may quote what it stumbled over.
        logger.warning("gate %s raised %s", each.id, type(error).__name__)
        outcome = Failed(f"the check itself ended with {type(error).__name__}")
    return Result(each.id, each.title, outcome.state, outcome.reason)
