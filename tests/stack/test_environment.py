import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from siteproject.stack import environment
from siteproject.stack.folder import ROOT, Folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    for name in ("SECRET_KEY", "SEAL_KEY", "DATABASE_URL", "LLM_CPU_URL", "LLM_CPU_KEY", "PRIVACY_PEPPER"):
        # Set first, so that what the test loads is taken back afterwards.
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    folder = Folder(tmp_path)
    folder.make()
    return folder


def test_secrets_are_made_once(folder: Folder) -> None:
    first = environment.keep_secrets(folder)

    assert environment.keep_secrets(folder) == first
    assert len(set(first.values())) == len(environment.SECRETS)


def test_what_the_environment_says_wins(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.keep_secrets(folder)
    monkeypatch.setenv("SECRET_KEY", "mine")

    environment.load(folder)

    assert os.environ["SECRET_KEY"] == "mine"
    assert os.environ["SEAL_KEY"]


def test_addresses_of_a_killed_stack_are_passed_over(folder: Folder) -> None:
    environment.write(folder, {"SECRET_KEY": "s", "DATABASE_URL": "postgres://gone"})

    environment.load(folder)

    assert os.environ["SECRET_KEY"] == "s"
    assert "DATABASE_URL" not in os.environ


def test_addresses_of_a_running_stack_are_taken(folder: Folder) -> None:
    environment.write(folder, {"DATABASE_URL": "postgres://here"})
    with folder.lock.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        environment.load(folder)

        assert environment.running(folder)
    assert os.environ["DATABASE_URL"] == "postgres://here"
    assert not environment.running(folder)


def test_the_key_of_our_model_server_is_not_given_to_another(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.keep_secrets(folder)
    monkeypatch.setenv("LLM_CPU_URL", "https://elsewhere.example")

    environment.load(folder)

    assert "LLM_CPU_KEY" not in os.environ


def test_a_command_without_a_stack_is_answered_in_one_sentence(tmp_path: Path) -> None:
    variables = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate"], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=30
    )

    assert done.returncode == 1
    assert done.stderr.startswith("The stack is not running: start it with bin/up")
    assert done.stderr.count("\n") == 1
