"""The circuit breaker: five failures open it, time and one good answer close it."""

from dataclasses import replace

import pytest

from inference.registry import Served, declared
from inference.routing import FAILURES_TO_OPEN, OPEN_S, Breaker, Router


@pytest.fixture
def served(settings) -> Served:  # type: ignore[no-untyped-def]
    settings.LLM_CPU = {**settings.LLM_CPU, "url": "http://127.0.0.1:1"}
    return declared()[0]


def test_five_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(0)
    breaker.succeeded()
    breaker.failed(0)

    assert breaker.allows(0)
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(0)
    assert not breaker.allows(1)


def test_one_trial_at_a_time_is_let_through_after_a_while() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(0)

    assert breaker.allows(OPEN_S + 1)
    assert not breaker.allows(OPEN_S + 2)
    breaker.succeeded()
    assert breaker.allows(OPEN_S + 3)


def test_only_switched_on_backends_of_the_tier_are_candidates(served: Served) -> None:
    router = Router()
    off = replace(served, backend="other", enabled=False)

    assert router.candidates([off, served], "small") == [served]
    assert router.candidates([served], "large") == []


def test_an_empty_environment_declares_nothing(settings) -> None:  # type: ignore[no-untyped-def]
    settings.LLM_CPU = {**settings.LLM_CPU, "url": ""}

    assert declared() == []
