"""``bin/up`` as a person meets it: one command, one address, one Ctrl-C."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from siteproject.stack.folder import ROOT
from siteproject.stack.probe import free_port
from tests.stack.conftest import Stack

# A registry on a port where nobody listens.
NO_REGISTRY = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "1"}


def bare_copy(path: Path) -> Path:
    """Return a folder with only ``bin`` and lists that hold one package each."""
    shutil.copytree(ROOT / "bin", path / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    (path / "requirements").mkdir()
    for group in ("runtime", "stack"):
        (path / "requirements" / f"{group}.txt").write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    return path


@pytest.mark.slow
def test_one_command_starts_the_whole_site_and_one_signal_ends_it(stack: Stack) -> None:
    port = free_port()
    stack.up("--port", str(port), model=True)
    assert stack.process

    lines = stack.said().splitlines()
    assert f"http://localhost:{port}" in lines
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
        assert json.load(answer) == {"status": "ok"}

    variables = {"PATH": os.environ["PATH"], "VAR_DIR": str(stack.folder.path)}
    doctor = [sys.executable, "manage.py", "doctor"]
    deadline = time.monotonic() + 40  # the worker's first heartbeat comes within ten seconds of its start
    while (done := subprocess.run(doctor, cwd=ROOT, env=variables, capture_output=True, text=True)).returncode:
        assert time.monotonic() < deadline, done.stdout + done.stderr
    assert not any(value in done.stdout for name, value in stack.values().items() if name.endswith("KEY"))

    stack.process.send_signal(signal.SIGINT)
    assert stack.exit_code(5) == 0
    assert stack.left() == []

    stack.up("--port", str(port), model=True)
    assert "Database migrated" not in stack.said()


def test_the_doctor_names_what_is_missing_when_nothing_runs(tmp_path: Path) -> None:
    variables = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "DEBUG": "1"}
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 1
    assert "not running; start it with bin/up" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
def test_an_unreachable_registry_is_one_sentence_with_the_details_in_a_file(tmp_path: Path) -> None:
    copy = bare_copy(tmp_path)

    done = subprocess.run(
        [sys.executable, "bin/up"],
        cwd=copy,
        env={**os.environ, **NO_REGISTRY},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 1
    assert "The package registry cannot be reached. Check the network and try again." in done.stderr
    assert "Traceback" not in done.stderr
    assert (copy / "var" / "log" / "install.log").read_text()


def test_a_second_call_with_nothing_changed_installs_nothing() -> None:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "bin/_install.py"], cwd=ROOT, capture_output=True, text=True, timeout=120)

    assert done.stdout.strip() == str(ROOT / ".venv" / "bin" / "python")
    assert done.stderr == ""
    assert time.monotonic() - began < 3
