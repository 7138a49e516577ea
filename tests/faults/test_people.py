"""Faults 1, 2 and 4 with people: a worker killed in the middle of an export or an erasure, a task that always kills its
worker, a mail server that is away. Real processes; what they hold is read with SQL."""

import os
import signal
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from siteproject.stack.probe import free_port
from tests.live import Site, running_site, wait_for

pytestmark = pytest.mark.slow
LEASE_S = 2
# Enough for a worker to start, sweep, and wait out a lease.
SOON_S = 40


class Box(Message):
    """What arrived at a mail server on loopback."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[Any] = []

    def handle_message(self, message: Any) -> None:
        self.got.append(message)


@pytest.fixture(scope="module")
def mail_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shared(mail_port: int) -> Iterator[Site]:
    """A site whose jobs come up again within seconds, and whose mail server is away."""
    overrides = {
        "LLM_CPU_URL": f"http://127.0.0.1:{free_port()}",
        "EMAIL_URL": f"smtp://127.0.0.1:{mail_port}",
        "JOB_LEASE_S": str(LEASE_S),
        "JOB_SWEEP_S": "0.5",
        "MAIL_PAUSE_S": "1",
    }
    with running_site(model=False, **overrides) as site:
        yield site


@pytest.fixture
def site(shared: Site) -> Iterator[Site]:
    yield shared
    if "worker" in shared.processes:
        kill_worker(shared)


def kill_worker(site: Site) -> None:
    process = site.processes["worker"]
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def query(site: Site, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(site.postgres.url) as connection:
        return connection.execute(statement, values).fetchall()


def one(site: Site, statement: str, *values: object) -> Any:
    return query(site, statement, *values)[0][0]


@contextmanager
def held(site: Site, statement: str) -> Iterator[None]:
    """Hold what ``statement`` locks, so that the worker stands still in the middle of its work."""
    with psycopg.connect(site.postgres.url) as connection:
        connection.execute(statement)
        yield
        connection.rollback()


def asks_for_export(site: Site, address: str) -> int:
    """A new person asks for an export, without the nudge: as if web had died between commit and broker."""
    site.manage(
        "shell",
        "-c",
        "from accounts import export\nfrom accounts.models import User\n"
        f"export.request(User.objects.create_user({address!r}))",
    )
    return int(one(site, "SELECT max(id) FROM accounts_dataexport"))


def state_of(site: Site, export: int) -> tuple[str, int]:
    state, tries = query(site, "SELECT state, tries FROM accounts_dataexport WHERE id = %s", export)[0]
    return state, tries


def test_fault_01_a_worker_killed_in_the_middle_of_an_export_leaves_one_file(site: Site) -> None:
    export = asks_for_export(site, "alice@example.org")
    with held(site, "LOCK TABLE compliance_consentevent IN ACCESS EXCLUSIVE MODE"):
        site.start_worker()
        wait_for(lambda: state_of(site, export)[1] == 1, SOON_S, site.log("worker"))
        kill_worker(site)
    assert state_of(site, export) == ("requested", 1)

    site.start_worker()

    wait_for(lambda: state_of(site, export)[0] == "ready", SOON_S, site.log("worker"))
    assert state_of(site, export)[1] == 2
    public_id = one(site, "SELECT public_id FROM accounts_dataexport WHERE id = %s", export)
    files = list((site.folder.path / "exports").iterdir())
    assert [path.name for path in files] == [f"{public_id}.zip"]
    assert "index.html" in zipfile.ZipFile(files[0]).namelist()
    mails = "SELECT count(*) FROM accounts_queuedmail WHERE object_id = %s"
    assert one(site, mails, str(public_id)) == 1


def test_fault_02_a_worker_killed_in_the_middle_of_an_erasure_leaves_nothing_half_done(site: Site) -> None:
    site.manage(
        "shell",
        "-c",
        "from accounts import closing, export\nfrom accounts.models import User\n"
        "user = User.objects.create_user('bob@example.org')\nexport.request(user)\nclosing.close(user)",
    )
    closure, user = query(site, "SELECT id, user_id FROM accounts_accountclosure ORDER BY id DESC LIMIT 1")[0]
    tries = "SELECT tries FROM accounts_accountclosure WHERE id = %s"
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    with held(site, f"SELECT FROM accounts_user WHERE id = {user} FOR UPDATE"):
        site.start_worker()
        wait_for(lambda: one(site, tries, closure) == 1 and one(site, waiting) > 0, SOON_S, site.log("worker"))
        kill_worker(site)
        # PostgreSQL sees that its client is gone once it gets the lock; the transaction is then rolled back.
    assert one(site, "SELECT count(*) FROM accounts_user WHERE id = %s", user) == 1

    site.start_worker()

    state = "SELECT state FROM accounts_accountclosure WHERE id = %s"
    wait_for(lambda: one(site, state, closure) == "done", SOON_S, site.log("worker"))
    assert one(site, "SELECT count(*) FROM accounts_user WHERE id = %s", user) == 0
    assert one(site, "SELECT count(*) FROM accounts_dataexport WHERE user_id = %s", user) == 0
    assert one(site, "SELECT count(*) FROM compliance_auditentry WHERE action = 'account.erased'") == 1
    site.manage("verify_chain")


def test_fault_04_an_export_that_always_kills_its_worker_fails_after_three_tries_and_the_next_is_made(
    site: Site,
) -> None:
    deadly = asks_for_export(site, "carol@example.org")
    with held(site, "LOCK TABLE compliance_consentevent IN ACCESS EXCLUSIVE MODE"):
        for number in range(1, 4):
            site.start_worker()
            wait_for(lambda number=number: state_of(site, deadly)[1] == number, SOON_S, site.log("worker"))
            kill_worker(site)
    harmless = asks_for_export(site, "dana@example.org")

    site.start_worker()

    wait_for(lambda: state_of(site, deadly)[0] == "failed", SOON_S, site.log("worker"))
    wait_for(lambda: state_of(site, harmless)[0] == "ready", SOON_S, site.log("worker"))
    assert state_of(site, deadly) == ("failed", 3)
    alarms = site.manage("shell", "-c", "from compliance import alarms\nprint([a.id for a in alarms.active()])")
    assert "accounts.export" in alarms


def test_a_mail_server_that_is_away_holds_nothing_up_and_gets_the_mail_once_when_it_is_back(
    site: Site, mail_port: int
) -> None:
    export = asks_for_export(site, "erin@example.org")
    site.start_worker()
    wait_for(lambda: state_of(site, export)[0] == "ready", SOON_S, site.log("worker"))
    public_id = str(one(site, "SELECT public_id FROM accounts_dataexport WHERE id = %s", export))
    tries = "SELECT tries FROM accounts_queuedmail WHERE object_id = %s"
    wait_for(lambda: one(site, tries, public_id) >= 2, SOON_S, site.log("worker"))
    assert site.healthy()

    box = Box()
    controller = Controller(box, hostname="127.0.0.1", port=mail_port)
    controller.start()
    try:
        state = "SELECT state FROM accounts_queuedmail WHERE object_id = %s"
        wait_for(lambda: one(site, state, public_id) == "sent", SOON_S, site.log("worker"))
    finally:
        controller.stop()

    assert [message["To"] for message in box.got].count("erin@example.org") == 1
    assert "erin@example.org" not in site.log("worker") + site.log("web")
