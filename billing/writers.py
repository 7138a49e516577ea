"""Statements of the hot path: one connection each, one statement at a time, everything that came meanwhile in the next.

At one caller a call costs one round trip; at many, a durable commit is shared by all who wait for it, with no timer
that anybody would have to wait for.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from django.db import connection

from billing.errors import LedgerAway

logger = logging.getLogger(__name__)
MOST_AT_ONCE = 128
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
        self._waiting: list[tuple[Item, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def write(self, item: Item) -> Any:
        """Return the row of ``item`` by its ``request``, None where the function gives none. Raises LedgerAway."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._connection, self._waiting, self._task = loop, None, [], None
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((item, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                rows = await self._execute([item for item, _ in batch])
            except psycopg.OperationalError as error:
                self._fail(batch, error)
            except psycopg.Error as error:
                # One item the database does not like must not be everybody's loss.
                if len(batch) == 1:
                    self._fail(batch, error)
                else:
                    for each in batch:
                        await self._alone(each)
            except Exception as error:
                self._fail(batch, error)
            else:
                for item, future in batch:
                    if not future.done():
                        future.set_result(rows.get(item["request"]))

    async def _alone(self, each: tuple[Item, "asyncio.Future[Any]"]) -> None:
        try:
            rows = await self._execute([each[0]])
        except Exception as error:
            self._fail([each], error)
        else:
            if not each[1].done():
                each[1].set_result(rows.get(each[0]["request"]))

    def _fail(self, batch: Sequence[tuple[Item, "asyncio.Future[Any]"]], error: Exception) -> None:
        logger.warning("%d calls not written (%s)", len(batch), type(error).__name__)
        for _item, future in batch:
            if not future.done():
                away = LedgerAway()
                away.__cause__ = error
                future.set_exception(away)

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
