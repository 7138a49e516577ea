"""Two short chains, and somebody who edits the database past its triggers."""

from collections.abc import Callable

import msgspec
import pytest
from django.db import connection

from compliance import audit, evidence, kinds

Edit = Callable[..., None]


class Anything(msgspec.Struct):
    """A kind of evidence for tests about chains: it asks for nothing."""


kinds.KINDS.setdefault("test", Anything)


@pytest.fixture
def records(db: None) -> None:
    """Five audit entries and three evidence records."""
    for number in range(5):
        audit.record(
            "test.thing-changed",
            actor=audit.SYSTEM,
            object_kind="thing",
            object_id=number,
            before={"limit": number, "name": "été"},
            after={"limit": number + 1, "on": True, "note": None},
        )
    for number in range(3):
        evidence.record("test", {"count": number, "parts": [{"b": 1, "a": ["x", "œ"]}]})


@pytest.fixture
def edit(db: None) -> Edit:
    """Run SQL on a table of records as its owner could: with the trigger off."""

    def run(table: str, sql: str, *values: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
            cursor.execute(sql.replace("{table}", table), values)
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER append_only")

    return run
