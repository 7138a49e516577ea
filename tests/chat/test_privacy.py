"""A canary asks its way through every door; afterwards it is nowhere, whatever went wrong meanwhile."""

import json
import os
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import redis

from chat import prompts
from chat.grounding import ground
from inference.backends.base import Finished
from inference.backends.llamacpp import LlamaCpp
from siteproject.stack.llama import ALIAS
from tests.chat.canary import (
    ANSWERABLE,
    KEPT_S,
    assert_nowhere,
    chat_keys,
    in_files,
    in_redis,
    in_tables,
    new_canary,
    watched_site,
)
from tests.live import Site, ask, events_of, received, wait_for
from tests.signed_in import enter_workbench

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wagmi-canary-") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def site(temporary: Path) -> Iterator[Site]:
    with watched_site(temporary) as site:
        yield site


def sockets_and_streams(site: Site, canary: str) -> list[str]:
    """Ask with the canary in every way a visitor can, and return how each ended."""
    with_answer = f"{ANSWERABLE} {canary}"
    headers = {"Origin": site.url}
    written = site.events(with_answer)[-1]
    assert written["rung"] == "small", "a model read the canary"
    ends = [written["type"]]
    ends.append(site.events(f"Sous quelle licence est le code ? {canary}", language="fr")[-1]["type"])
    ends.append(site.events(f"What is the capital of {canary}?")[-1]["type"])
    history = [
        {"role": "user", "content": f"I am {canary}."},
        {"role": "assistant", "content": f"Hello {canary}.", "seal": canary},
        {"role": "user", "content": ANSWERABLE},
    ]
    ends.append(site.events("", messages=history)[-1]["type"])
    with site.socket() as socket:
        asked = ask(with_answer)
        socket.send(json.dumps({"type": "ask", **asked}))
        ends.append(received(socket)[-1]["type"])
        left = ask(with_answer)
        socket.send(json.dumps({"type": "ask", **left}))
        received(socket, until=("sources",))
        socket.send(json.dumps({"type": "stop", "id": left["id"], "secret": left["secret"]}))
        ends.append(received(socket)[-1]["type"])
        socket.send(json.dumps({"type": "ask", "id": canary, canary: canary}))
        ends.append(received(socket)[-1]["code"])
    refused = [
        httpx.post(f"{site.url}/api/chat", json={"question": canary, canary: 1}, timeout=10),
        httpx.post(f"{site.url}/api/chat", content=f"{canary} \xff".encode("latin-1"), headers=headers, timeout=10),
        httpx.post(f"{site.url}/api/chat", json=ask(f"You {canary} idiot, fuck you"), timeout=10),
        httpx.post(f"{site.url}/api/chat", json=ask(canary * 2000), timeout=10),
        httpx.post(f"{site.url}/api/chat?q={canary}", content=canary * 40_000, headers=headers, timeout=10),
        httpx.post(f"{site.url}/api/chat", json=ask(canary), headers={"Origin": f"https://{canary}.example"}),
        httpx.post(f"{site.url}/api/chat", json=ask(f"{ANSWERABLE} {canary} " * 150), timeout=20),
    ]
    ends += [str(response.status_code) for response in refused]
    form = httpx.post(f"{site.url}/live/en/chat/", data={"question": with_answer}, headers=headers, timeout=30)
    assert form.status_code == 200 and "</html>" in form.text
    return ends


def test_a_canary_that_asks_at_every_door_is_nowhere(site: Site, temporary: Path) -> None:
    canary, since = new_canary(), time.time() - 5

    ends = sockets_and_streams(site, canary)

    expected = ["done"] * 6 + ["invalid", "400", "415", "400", "400", "413", "403"]
    assert ends[:-1] == expected and ends[-1] in ("200", "400", "502")
    wait_for(lambda: not chat_keys(site), KEPT_S + 5)
    time.sleep(2.5)  # the counts of answers are written meanwhile
    assert site.postgres.sql("SELECT count(*) > 0 FROM inference_answertally", database="wagmi") == "t"
    assert_nowhere(site, temporary, canary, since=since)


def test_the_search_finds_what_is_there(site: Site, temporary: Path) -> None:
    canary = new_canary()
    client = redis.Redis.from_url(site.redis.url)
    with psycopg.connect(site.postgres.url) as connection:
        connection.execute("CREATE TABLE canary_cage (words jsonb)")
        connection.execute("INSERT INTO canary_cage VALUES (jsonb_build_object('bird', %s::text))", [canary])
        connection.commit()
        site.postgres.sql("CHECKPOINT")
        client.set("cage", f"a {canary} b")
        (temporary / "cage").write_text(canary)
        try:
            assert in_tables(site, canary) == ["public.canary_cage"]
            assert in_redis(site, canary) == ["cage"]
            places = in_files([site.folder.path, temporary], canary)
            assert str(temporary / "cage") in places and any("/postgres/" in place for place in places)
        finally:
            connection.execute("DROP TABLE canary_cage")
            connection.commit()
            client.delete("cage")
            client.close()
            (temporary / "cage").unlink()


def logs(site: Site) -> list[Path]:
    return [site.folder.log]


def test_errors_of_the_database_do_not_quote_what_was_written(site: Site, temporary: Path) -> None:
    canary = new_canary()
    columns = "day, rung, tier, model, language, answers"
    row = f"INSERT INTO inference_answertally ({columns}) VALUES (now(), %s, %s, %s, %s, %s)"
    provoked = [
        (psycopg.errors.NotNullViolation, row, [canary[:8], "", canary, "en", None]),
        (psycopg.errors.StringDataRightTruncation, row, [canary * 20, "", canary, "en", 1]),
        (psycopg.errors.InvalidTextRepresentation, "SELECT %s::uuid", [canary]),
        (psycopg.errors.UndefinedColumn, f'SELECT "{canary}" FROM inference_answertally', []),
        (psycopg.errors.SyntaxError, f"SELEKT '{canary}'", []),
        (psycopg.errors.UniqueViolation, "", []),
    ]
    with psycopg.connect(site.postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TEMP TABLE cage (bird text UNIQUE)")
        connection.execute("INSERT INTO cage VALUES (%s)", [canary])
        for expected, statement, values in provoked:
            with pytest.raises(expected):
                connection.execute(
                    statement or "INSERT INTO cage VALUES (%s)", values or ([] if statement else [canary])
                )  # type: ignore[arg-type]

    assert in_files(logs(site), canary) == []


def test_a_server_killed_while_it_writes_does_not_quote_what_it_wrote(site: Site, temporary: Path) -> None:
    canary = new_canary()
    connection = psycopg.connect(site.postgres.url)
    connection.execute("CREATE TEMP TABLE cage (bird text)")
    backend = connection.info.backend_pid
    killer = threading.Timer(0.5, os.kill, (backend, signal.SIGKILL))
    killer.start()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("INSERT INTO cage SELECT %s || pg_sleep(30)::text", [canary])
    killer.join()
    connection.close()

    wait_for(lambda: database_answers(site), 20)
    assert "signal 9" in site.log("postgres"), "it did notice"
    assert in_files(logs(site), canary) == []
    wait_for(lambda: site.events(ANSWERABLE)[-1]["rung"] == "small", 10)


def database_answers(site: Site) -> bool:
    try:
        with psycopg.connect(site.postgres.url) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def staff(site: Site) -> httpx.Client:
    """Return a client that is signed in to the admin."""
    client = httpx.Client(timeout=20, headers={"Origin": site.url})
    enter_workbench(client, site.manage("make_staff", f"dana-{secrets.token_hex(4)}@example.org").strip())
    return client


def test_a_500_and_a_lock_timeout_do_not_quote_the_request(site: Site, temporary: Path) -> None:
    canary, since = new_canary(), time.time() - 5
    client = staff(site)
    address = f"{site.url}/admin/inference/answertally/?rung={canary}&q={canary}"

    with psycopg.connect(site.postgres.url) as holder:
        holder.execute("LOCK TABLE inference_answertally IN ACCESS EXCLUSIVE MODE")
        locked = client.get(address, headers={"Referer": f"{site.url}/{canary}", "User-Agent": canary})
        holder.rollback()
    site.postgres.sql("ALTER TABLE inference_answertally RENAME TO away", database="wagmi")
    try:
        client.cookies.set("x", canary)
        broken = client.get(address, headers={"Referer": f"{site.url}/{canary}"})
        posted = client.post(address, data={"q": canary, "csrfmiddlewaretoken": canary})
    finally:
        site.postgres.sql("ALTER TABLE away RENAME TO inference_answertally", database="wagmi")

    assert locked.status_code == 503 and int(locked.headers["Retry-After"]) > 0
    assert (broken.status_code, posted.status_code) == (500, 403)
    assert canary not in broken.text
    assert_nowhere(site, temporary, canary, since=since)


def test_a_task_that_raises_does_not_quote_its_arguments(site: Site, temporary: Path) -> None:
    canary, since = new_canary(), time.time() - 5
    sent = (
        "from siteproject.celery import app;"
        f"app.send_task('siteproject.tasks.heartbeat', args=['{canary} and more']);"
        f"app.send_task('inference.tasks.probe_backends', kwargs={{'{canary}': '{canary} again'}});"
        f"app.send_task('no.such.task', args=['{canary} and more'])"
    )
    before = site.log("worker").count("TypeError")

    site.manage("shell", "-c", sent)

    wait_for(lambda: site.log("worker").count("TypeError") >= before + 2, 20, site.log("worker"))
    wait_for(lambda: "nregistered" in site.log("worker") or "KeyError" in site.log("worker"), 20, site.log("worker"))
    assert_nowhere(site, temporary, canary, since=since)


async def test_repeating_a_strangers_question_reads_no_more_from_the_cache_than_another(site: Site) -> None:
    assert site.llama is not None
    strangers = f"{ANSWERABLE} (Winterbottomleigh)"
    control = f"{ANSWERABLE} (Abernathyshire)"
    asked = events_of(site.ask(strangers).text)
    assert asked[-1]["rung"] == "small"
    source = ground(strangers, previous=None, language="en").sources[0]
    assert asked[-1]["receipt"]["passages"] == [source.passage.id]
    client = LlamaCpp(site.llama.url, site.llama.key, ALIAS)

    async def cached(question: str) -> int:
        """Return what the model server itself says, before our receipts cap it."""
        request = prompts.prompt(
            name="Wagmi",
            passages=[source.passage],
            best_sentence=source.best_sentence,
            question=question,
            history=(),
            max_tokens=1,
        )
        pieces = [piece async for piece in client.stream(request)]
        assert isinstance(pieces[-1], Finished) and pieces[-1].usage.counted
        return pieces[-1].usage.cached_tokens

    try:
        repeats = [await cached(strangers) for _ in range(3)]
        controls = [await cached(control) for _ in range(3)]
    finally:
        await client.close()

    assert min(repeats + controls) > 30, "the public part is shared"
    # A few tokens more or less come from the random line, whose first digits may agree by chance.
    assert max(repeats) - min(controls) <= 3, (repeats, controls)
    receipts = [site.events(question)[-1]["receipt"] for question in (strangers, control)]
    assert receipts[0]["cached_tokens"] == receipts[1]["cached_tokens"]
