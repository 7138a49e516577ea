"""Faults 23 and 32: sweeps that are killed, meet each other or do not come, and clocks that are wrong."""

import datetime
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.live import ROOT, Site, running_site, wait_for

pytestmark = pytest.mark.slow
ALICE = "alice@example.org"
MESSAGES, CONVERSATIONS = 20_000, 2_000
SWEEP = "from chat import retention; done = retention.delete_expired(); print(done.messages, done.conversations)"
STORE = """
import uuid
from accounts.models import User
from chat import storing
done = storing.store(subject=User.objects.get(email="alice@example.org").public_id, ask=uuid.uuid4(),
    question="Which clock?", language="en", version=storing.StoredVersion(answer=uuid.uuid4(), text="The database's.",
    language="en", rung="small", finish_reason="stop", sources=[], receipt={}, seal=""))
print(done.conversation)
"""
LIBFAKETIME = [path for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1") if "Multi" not in path.name]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A site without a worker: here sweeps run when the test says so."""
    with running_site(model=False, LLM_CPU_URL="http://127.0.0.1:9", RETENTION_SWEEP_S="3600") as site:
        yield site


@pytest.fixture
def alice(site: Site) -> Iterator[httpx.Client]:
    """A signed-in client of somebody who consents; nobody has anything stored."""
    run(site, "TRUNCATE chat_message, chat_conversation, chat_deletedbatch")
    with signed_in(site) as client:
        yield client


def signed_in(site: Site) -> httpx.Client:
    session = site.sign_in(ALICE, consenting=(ALICE,))[ALICE]
    return httpx.Client(base_url=site.url, cookies={"session": session}, timeout=20)


def run(site: Site, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(site.postgres.url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def fill(site: Site, *, expired_since: str = "1 day") -> None:
    """Store thousands of expired messages of alice's, ten to a conversation."""
    run(
        site,
        f"""
        INSERT INTO chat_conversation (public_id, user_id, title, language, created_at, updated_at, expires_at)
        SELECT gen_random_uuid(), (SELECT id FROM accounts_user), 'Expired', 'en', now(), now(),
               now() - interval '{expired_since}' FROM generate_series(1, {CONVERSATIONS});
        INSERT INTO chat_message (public_id, conversation_id, ask, role, text, language, rung, finish_reason, sources,
                                  receipt, seal, created_at, expires_at)
        SELECT gen_random_uuid(), id, gen_random_uuid(), 'user', 'Expired question', 'en', '', '', '[]', '{{}}', '',
               expires_at - interval '7 days', expires_at
        FROM chat_conversation, generate_series(1, {MESSAGES // CONVERSATIONS});
        """,
    )


def left(site: Site) -> tuple[int, int]:
    ((messages, conversations),) = run(
        site, "SELECT (SELECT count(*) FROM chat_message), (SELECT count(*) FROM chat_conversation)"
    )
    assert isinstance(messages, int) and isinstance(conversations, int)
    return messages, conversations


def counted(site: Site) -> tuple[int, int]:
    ((messages, conversations),) = run(
        site, "SELECT coalesce(sum(messages), 0)::int, coalesce(sum(conversations), 0)::int FROM chat_deletedbatch"
    )
    assert isinstance(messages, int) and isinstance(conversations, int)
    return messages, conversations


def sweeping(site: Site) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", SWEEP],
        cwd=ROOT,
        env=site.env,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_fault_32_a_sweep_killed_mid_batch_loses_no_count_and_the_next_finishes(
    site: Site, alice: httpx.Client
) -> None:
    fill(site)
    sweep = sweeping(site)
    wait_for(lambda: left(site)[0] < MESSAGES - 1000, 30)
    sweep.kill()
    sweep.wait()
    wait_for(lambda: not run(site, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'DELETE%' AND state <> 'idle'"), 10)

    messages, _conversations = left(site)
    assert 0 < messages < MESSAGES, "it was killed in the middle"
    assert counted(site)[0] == MESSAGES - messages
    page = alice.get("/account/conversations/")
    assert page.status_code == 200 and "Expired" not in page.text

    assert sweeping(site).wait(60) == 0
    assert left(site) == (0, 0)
    assert counted(site) == (MESSAGES, CONVERSATIONS)


def test_fault_32_two_sweeps_at_once_delete_each_row_once(site: Site, alice: httpx.Client) -> None:
    fill(site)

    sweeps = [sweeping(site) for _each in range(2)]
    outputs = [sweep.communicate(timeout=60)[0].split() for sweep in sweeps]

    assert sum(int(messages) for messages, _conversations in outputs) == MESSAGES
    assert sum(int(conversations) for _messages, conversations in outputs) == CONVERSATIONS
    assert left(site) == (0, 0) and counted(site) == (MESSAGES, CONVERSATIONS)


def test_fault_32_after_a_day_without_a_worker_nothing_was_visible_and_it_catches_up(
    site: Site, alice: httpx.Client
) -> None:
    fill(site, expired_since="1 day")
    ((public_id,),) = run(site, "SELECT public_id FROM chat_conversation LIMIT 1")
    hidden = [
        alice.get("/account/conversations/").text,
        alice.get("/account/api/conversations/").text,
    ]
    refused = [
        alice.get(f"/account/{part}conversations/{public_id}{end}").status_code
        for part, end in (("", "/"), ("api/", "/"))
    ]
    doctor = subprocess.run(
        [sys.executable, "manage.py", "doctor"], cwd=ROOT, env=site.env, capture_output=True, text=True
    )

    assert not any("Expired" in text for text in hidden) and refused == [404, 404]
    assert "bad" in next(line for line in doctor.stdout.splitlines() if "stored chats" in line)
    site.start_worker()
    try:
        wait_for(lambda: left(site) == (0, 0), 60, site.log("worker"))
        wait_for(lambda: bool(recorded(site)), 20, site.log("worker"))
    finally:
        worker = site.processes.pop("worker")
        worker.terminate()
        worker.wait(20)
    assert recorded(site)[-1] == {
        "deleted_messages": MESSAGES,
        "deleted_conversations": CONVERSATIONS,
        "deleted_flag_texts": 0,
        "deleted_team_messages": 0,
        "oldest_remaining_s": None,
    }
    assert "Expired" not in site.log("worker")


def recorded(site: Site) -> list[object]:
    return [body for (body,) in run(site, "SELECT body FROM compliance_evidencerecord WHERE kind = 'retention'")]


@pytest.mark.skipif(not LIBFAKETIME, reason="no libfaketime on this machine: apt-get install faketime")
@pytest.mark.parametrize("offset", ["+10m", "-10m", "+8d", "-8d"])
def test_fault_23_whatever_the_clock_of_a_process_says_the_databases_decides(
    site: Site, alice: httpx.Client, offset: str
) -> None:
    wrong = site.env | {"LD_PRELOAD": str(LIBFAKETIME[0]), "FAKETIME": offset, "DONT_FAKE_MONOTONIC": "1"}

    def there(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", "shell", "-v", "0", "-c", f"import time; print(time.time())\n{code}"],
            cwd=ROOT,
            env=wrong,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        clock, _newline, said = done.stdout.partition("\n")
        assert abs(float(clock) - time.time()) > 500, "its clock is wrong"
        return said.strip()

    conversation = uuid.UUID(there(STORE))
    ((kept,),) = run(site, "SELECT max(expires_at - created_at) FROM chat_message")
    ((off_s,),) = run(
        site, "SELECT max(abs(extract(epoch FROM expires_at - now() - interval '7 days')))::int FROM chat_message"
    )
    swept_young = there(SWEEP)
    visible = alice.get(f"/account/api/conversations/{conversation}/").status_code
    run(site, "UPDATE chat_message SET expires_at = now()")
    run(site, "UPDATE chat_conversation SET expires_at = now()")
    listed = there(
        "from chat.models import Conversation, Message; print(Conversation.objects.count(), Message.objects.count())"
    )
    swept_old = there(SWEEP)

    assert isinstance(kept, datetime.timedelta) and kept <= datetime.timedelta(days=7)
    assert isinstance(off_s, int) and off_s < 60
    assert (swept_young, visible) == ("0 0", 200)
    assert (listed, swept_old) == ("0 0", "2 1")
    assert left(site) == (0, 0)
