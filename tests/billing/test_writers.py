"""One connection, one statement at a time: who comes meanwhile shares the next one, and one bad item harms nobody."""

import asyncio
import uuid
from typing import Any

import pytest
from django.db import connection

from billing.errors import LedgerAway
from billing.writers import Writer
from tests.billing.ledgers import other_connection

pytestmark = pytest.mark.django_db(transaction=True)

# Says for each item in which statement it came, and how many came with it; refuses the word "bad".
COUNTED = """
CREATE OR REPLACE FUNCTION counted(items jsonb) RETURNS TABLE (request uuid, together integer) LANGUAGE plpgsql AS $$
BEGIN
  IF items @> '[{"word": "bad"}]' THEN RAISE EXCEPTION 'no' USING ERRCODE = 'data_exception'; END IF;
  IF items @> '[{"word": "slow"}]' THEN PERFORM pg_sleep(0.3); END IF;
  RETURN QUERY SELECT (i->>'request')::uuid, jsonb_array_length(items) FROM jsonb_array_elements(items) AS i;
END $$
"""


@pytest.fixture(autouse=True)
def _function() -> Any:
    with connection.cursor() as cursor:
        cursor.execute(COUNTED)
        yield
        cursor.execute("DROP FUNCTION counted(jsonb)")


def item(word: str = "") -> dict[str, str]:
    return {"request": str(uuid.uuid4()), "word": word}


def test_who_comes_while_a_statement_runs_shares_the_next_one() -> None:
    async def use() -> None:
        writer = Writer("counted", durable=False, timeout_s=5)
        first = asyncio.create_task(writer.write(item("slow")))
        await asyncio.sleep(0.1)
        others = await asyncio.gather(*(writer.write(item()) for _ in range(20)))
        assert (await first)[1] == 1
        assert {row[1] for row in others} == {20}
        await writer.close()

    asyncio.run(use())


def test_one_item_that_the_database_refuses_is_nobody_elses_loss() -> None:
    async def use() -> None:
        writer = Writer("counted", durable=False, timeout_s=5)
        first = asyncio.create_task(writer.write(item("slow")))
        await asyncio.sleep(0.1)
        found = await asyncio.gather(*(writer.write(item(word)) for word in ("", "bad", "")), return_exceptions=True)
        assert [isinstance(each, LedgerAway) for each in found] == [False, True, False]
        await first
        await writer.close()

    asyncio.run(use())


def test_a_connection_that_was_cut_while_idle_is_opened_again() -> None:
    async def use() -> None:
        writer = Writer("counted", durable=False, timeout_s=5)
        await writer.write(item())
        held = writer._connection
        assert held is not None
        cut = "SELECT pg_terminate_backend(%s)"
        await asyncio.to_thread(_run_apart, cut, held.info.backend_pid)
        assert (await writer.write(item()))[1] == 1
        await writer.close()

    asyncio.run(use())


def test_a_statement_without_an_answer_in_time_has_failed_and_the_next_one_works() -> None:
    async def use() -> None:
        writer = Writer("counted", durable=False, timeout_s=0.15)
        with pytest.raises(LedgerAway):
            await writer.write(item("slow"))
        writer._timeout_s = 5
        assert (await writer.write(item()))[1] == 1
        await writer.close()

    asyncio.run(use())


def test_a_caller_that_leaves_takes_nobody_with_it() -> None:
    async def use() -> None:
        writer = Writer("counted", durable=False, timeout_s=5)
        first = asyncio.create_task(writer.write(item("slow")))
        await asyncio.sleep(0.1)
        leaving = asyncio.create_task(writer.write(item()))
        staying = asyncio.create_task(writer.write(item()))
        await asyncio.sleep(0.05)
        leaving.cancel()
        first.cancel()
        assert (await staying)[1] == 2
        await writer.close()

    asyncio.run(use())


def _run_apart(statement: str, *values: Any) -> None:
    with other_connection() as own:
        own.execute(statement, values)  # type: ignore[arg-type]
