"""Locks name packages and hashes, and no address anywhere."""

import re

import pytest

from siteproject.stack.folder import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_no_address_and_a_hash_for_every_pin(lock) -> None:  # type: ignore[no-untyped-def]
    text = lock.read_text()
    pins = re.findall(r"^([a-z0-9][a-z0-9._-]*)==[^\\]*\\\n    --hash=sha256:", text, re.MULTILINE)

    assert "://" not in text
    assert len(pins) == len(re.findall(r"^[a-z0-9][a-z0-9._-]*==", text, re.MULTILINE)) > 0


def test_every_runtime_pin_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    pins = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (ROOT / "requirements" / "runtime.txt").read_text(), re.MULTILINE)
    stack = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", (ROOT / "requirements" / "stack.txt").read_text(), re.MULTILINE)

    assert not [name for name in {*pins, *stack} if f"| {name} |" not in reasons]
