"""What people are told about flags, corrections and messages holds with any settings that start."""

from typing import Any

import pytest
from django.core.checks import run_checks


def refused() -> list[str]:
    return [message.msg for message in run_checks() if message.id == "chat.E002"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLAG_RETENTION_DAYS", 31),
        ("FLAG_RETENTION_DAYS", 0),
        ("FLAG_DECIDED_KEPT_HOURS", 0),
        ("FLAG_LOCK_S", 0),
        ("CONTACT_RETENTION_DAYS", 0),
        ("CORRECTIONS_RENEW_S", 60.0),
    ],
)
def test_a_period_that_makes_a_promise_untrue_does_not_start(settings: Any, name: str, value: float) -> None:
    assert refused() == []

    setattr(settings, name, value)

    assert refused() == [f"{name} is {value}."]
