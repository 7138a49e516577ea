import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from siteproject.stack import children
from siteproject.stack.errors import StackError
from siteproject.stack.folder import Folder
from siteproject.stack.llama import LlamaServer
from siteproject.stack.postgres import Postgres, binary
from siteproject.stack.redis_server import Redis

SECRET_WORDS = "nobody-may-read-this"


@pytest.fixture
def folder() -> Iterator[Folder]:
    path = Path(tempfile.mkdtemp(prefix="wagmi-parts-"))
    path.chmod(0o711)
    folder = Folder(path)
    folder.make()
    yield folder
    shutil.rmtree(path, ignore_errors=True)


def test_what_people_write_is_not_in_postgresqls_log(folder: Folder) -> None:
    failures = [
        f"INSERT INTO notes VALUES (1, '{SECRET_WORDS}')",  # the key is taken: DETAIL quotes the key
        f"INSERT INTO notes VALUES (2, repeat('{SECRET_WORDS}', 9))",  # too long, and CONTEXT
        f"INSERT INTO notes VALUES (3, NULL), (4, '{SECRET_WORDS}')",  # not null: DETAIL quotes the row
        f"SELECT '{SECRET_WORDS}'::uuid",  # the message itself quotes the value
        f'SELECT * FROM "{SECRET_WORDS}"',
        f"SELEKT '{SECRET_WORDS}'",
    ]
    with (
        Postgres(folder, durable=False).running() as postgres,
        psycopg.connect(postgres.url, autocommit=True) as connection,
    ):
        connection.execute("CREATE TABLE notes (id int PRIMARY KEY, words varchar(40) NOT NULL)")
        connection.execute("INSERT INTO notes VALUES (1, 'x')")
        for statement in failures:
            with pytest.raises(psycopg.Error):
                connection.execute(statement)  # type: ignore[call-overload]

    log = postgres.log.read_text()
    assert "ready to accept connections" in log
    assert SECRET_WORDS not in log


@pytest.mark.slow
def test_a_crash_of_postgresql_does_not_log_the_query_that_ran(folder: Folder) -> None:
    with (
        Postgres(folder, durable=False).running() as postgres,
        psycopg.connect(postgres.url, autocommit=True) as connection,
    ):
        backend = connection.info.backend_pid
        with subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {backend}"]), pytest.raises(psycopg.OperationalError):
            connection.execute(f"SELECT pg_sleep(5), '{SECRET_WORDS}'")  # type: ignore[call-overload]

    log = postgres.log.read_text()
    assert "was terminated by signal 9" in log
    assert SECRET_WORDS not in log


def test_a_lock_file_that_names_a_living_stranger_does_not_stop_postgresql(folder: Folder) -> None:
    with Postgres(folder, durable=False).running():
        pass
    lock = folder.path / "postgres" / "postmaster.pid"
    lock.write_text(f"{os.getpid()}\n{lock.parent}\n")
    os.chown(lock, lock.parent.stat().st_uid, -1)

    with Postgres(folder, durable=False).running() as postgres:
        assert postgres.sql("SELECT 1") == "1"


def test_a_server_left_on_the_folder_is_ended_first(folder: Folder) -> None:
    first, second = Postgres(folder, durable=False), Postgres(folder, durable=False)
    first.start()
    first.wait_until_ready()

    with second.running():
        assert first.ended()
        assert second.sql("SELECT 1") == "1"


def test_an_interrupted_creation_of_the_data_folder_is_begun_again(folder: Folder) -> None:
    unfinished = folder.path / "postgres.new"
    unfinished.mkdir(mode=0o700)
    (unfinished / "PG_VERSION").write_text("18\n")

    with Postgres(folder, durable=False).running() as postgres:
        assert postgres.sql("SELECT 1") == "1"
    assert not unfinished.exists()


def test_a_data_folder_with_something_elses_files_is_left_alone(folder: Folder) -> None:
    (folder.path / "postgres").mkdir()
    (folder.path / "postgres" / "thesis.txt").write_text("three years")

    with pytest.raises(StackError, match="not PostgreSQL's"):
        Postgres(folder, durable=False).start()

    assert (folder.path / "postgres" / "thesis.txt").exists()


def test_postgresql_runs_where_no_other_user_can_reach_the_folder(folder: Folder) -> None:
    folder.path.chmod(0o700)

    with Postgres(folder, durable=False).running() as postgres, psycopg.connect(postgres.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_data_folder_may_move_between_the_two_ways_of_not_being_root(folder: Folder) -> None:
    for mode in (0o711, 0o700, 0o711):
        folder.path.chmod(mode)
        with Postgres(folder, durable=False).running() as postgres:
            assert postgres.sql("SELECT 1") == "1"


def test_redis_leaves_nothing_on_disk(folder: Folder) -> None:
    with Redis(folder).running() as redis:
        redis.child and os.kill(redis.child.pid, signal.SIGTERM)
        assert redis.child and redis.child.wait(5)

    assert not [path for path in folder.path.rglob("*") if path.suffix in (".rdb", ".aof")]


def test_the_model_server_asks_for_its_key_and_accounts_for_its_time(folder: Folder) -> None:
    with LlamaServer(folder, key="k" * 40).running() as llama:
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{llama.url}/v1/chat/completions", data=b"{}", timeout=5)
        request = urllib.request.Request(f"{llama.url}/v1/models", headers={"Authorization": f"Bearer {llama.key}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert b"wagmi-small" in answer.read()
        assert llama.cpu_seconds() > 0
        assert int(llama.pid_file.read_text()) == llama.pid

    assert llama.cpu_seconds() == 0
    assert not llama.pid_file.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_of_the_machine_is_not_let_into_postgresql(folder: Folder) -> None:
    with Postgres(folder, durable=False).running() as postgres:
        command = [str(binary("psql")), "-h", str(postgres.sockets), "-U", "postgres", "-c", "SELECT 1"]
        ours = subprocess.run(command, capture_output=True, text=True, check=False)
        theirs = subprocess.run(
            command, capture_output=True, text=True, check=False, user=65534, group=65534, extra_groups=[]
        )

    assert ours.returncode == 0, ours.stderr
    assert theirs.returncode != 0 and "peer" in theirs.stderr.casefold()


def test_a_log_that_has_grown_is_turned_over_while_its_writer_goes_on(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "LOG_KEPT_BYTES", 10)
    log = folder.log / "part.log"
    with children.open_log(log) as writer:
        writer.write(b"many old lines\n")
        writer.flush()
        children.keep_small(log)
        writer.write(b"a new line\n")

    assert log.read_bytes() == b"a new line\n"
    assert log.with_name("part.log.1").read_bytes() == b"many old lines\n"
