"""Statements of the hot path: one connection each, one statement at a time, everything that came meanwhile in the next.

At one caller a call costs one round trip; at many, a durable commit is shared by all who wait for it, with no timer
that anybody would have to wait for.
"""

import asyncio
import logging
from typing import Any

import msgspec
import psycopg
from django.db import connection

from billing.errors import LedgerAway
from compliance.batches import Batches

logger = logging.getLogger(__name__)
Item = dict[str, Any]


class Writer:
    """Runs ``SELECT * FROM function(items)`` for the items of many callers, and gives each its own row.

    ``durable`` waits until the commit is on disk. A statement without an answer after ``timeout_s`` counts as failed:
    the functions take a repeated item as done.
    """

    def __init__(self, function: str, *, durable: bool, timeout_s: float) -> None:
        self._statement = f"SELECT * FROM {function}(%s::jsonb)"  # noqa: S608 - a name of our own
        self._durable = durable
        self._timeout_s = timeout_s
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._batches: Batches[Item, Any] = Batches(self._written)

    async def write(self, item: Item) -> Any:
        """Return the row of ``item`` by its ``request``, None where the function gives none. Raises LedgerAway."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._connection = loop, None
        return await self._batches.add(item)

    async def _written(self, items: list[Item]) -> list[Any]:
        """Return the row of each item; an item that the database does not like is nobody else's loss."""
        try:
            rows = await self._execute(items)
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError) or len(items) == 1:
                return self._failed(items, error)
            return [(await self._written([item]))[0] for item in items]
        except Exception as error:
            return self._failed(items, error)
        return [rows.get(item["request"]) for item in items]

    def _failed(self, items: list[Item], error: Exception) -> list[Any]:
        logger.warning("%d calls not written (%s)", len(items), type(error).__name__)
        found = [LedgerAway() for _ in items]
        for away in found:
            away.__cause__ = error
        return found

    async def _execute(self, items: list[Item]) -> dict[str, Any]:
        """Run one statement; a connection that fails is thrown away, and one that was idle is tried once more."""
        for attempt in (1, 2):
            fresh = self._connection is None or self._connection.closed
            try:
                async with asyncio.timeout(self._timeout_s):
                    if fresh:
                        self._connection = await connect(durable=self._durable)
                    assert self._connection is not None
                    cursor = await self._connection.execute(self._statement, [msgspec.json.encode(items).decode()])
                    return {str(row[0]): row for row in await cursor.fetchall()} if cursor.description else {}
            except (psycopg.OperationalError, TimeoutError) as error:
                await self.close()
                # Its server was restarted since: what was sent may or may not have been done, and is harmless twice.
                if fresh or attempt == 2 or isinstance(error, TimeoutError):
                    raise
            except BaseException:
                await self.close()
                raise
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close the connection; the next statement opens another one."""
        held, self._connection = self._connection, None
        if held is not None:
            try:
                await held.close()
            except Exception:
                logger.debug("connection already gone")


async def connect(*, durable: bool) -> psycopg.AsyncConnection[Any]:
    """Return a connection to Django's database, beside its pool. Raises psycopg.OperationalError."""
    parameters = dict(connection.get_connection_params())
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    commit = "on" if durable else "off"
    options = f"{parameters.pop('options', '')} -c synchronous_commit={commit} -c timezone=UTC".strip()
    return await psycopg.AsyncConnection.connect(
        **parameters, options=options, autocommit=True, prepare_threshold=2, application_name="wagmi-ledger"
    )
