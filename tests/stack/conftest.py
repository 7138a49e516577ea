"""Stacks to start, ask and kill: real processes in a folder of their own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from siteproject.stack import environment
from siteproject.stack.children import birth_of
from siteproject.stack.folder import ROOT, Folder

READY_WITHIN_S = 120


class Stack:
    """One supervisor with its folder. ``servers`` leaves the worker and the web server out: a start takes a second."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        self.output = path.with_name(f"{path.name}.out")
        self.process: subprocess.Popen[bytes] | None = None
        self.kin: dict[int, str] = {}

    def up(self, *options: str, ready: bool = True, model: bool = False, **variables: str) -> None:
        """Start the supervisor with nothing of the test run's own environment, and wait until it says so.

        Without ``model`` the environment names a model server, so that none is started: a second less. One for
        embeddings starts where ``EMBEDDINGS`` asks for it.
        """
        variables = {"EMBEDDINGS": "0", **variables}
        if not model:
            variables = {"LLM_CPU_URL": "http://127.0.0.1:9", **variables}
        clean = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "siteproject.stack", *(options or ("--servers",))],
                cwd=ROOT,
                env={**clean, "VAR_DIR": str(self.folder.path), **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if ready:
            self.wait_for(lambda: "Ready" in self.said(), READY_WITHIN_S)
            self.kin = self.processes()

    def said(self) -> str:
        """Return everything it has printed."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> float:
        """Return how long it took until ``condition`` held; fail with what the stack said."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < seconds, f"not within {seconds} s; it said: {self.said()}"
            time.sleep(0.05)
        return time.monotonic() - began

    def exit_code(self, seconds: float = 5) -> int:
        """Return the supervisor's exit status; fail when it does not end in time."""
        assert self.process is not None
        return self.process.wait(seconds)

    def processes(self) -> dict[int, str]:
        """Return the supervisor's descendants with what makes each unmistakable."""
        assert self.process is not None
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                except OSError:
                    continue
        found, grown = {self.process.pid}, True
        while grown:
            children = {pid for pid, parent in parents.items() if parent in found} - found
            found |= children
            grown = bool(children)
        return {pid: birth for pid in found - {self.process.pid} if (birth := birth_of(pid))}

    def left(self) -> list[int]:
        """Return those of the last start's processes that still live."""
        return [pid for pid, birth in self.kin.items() if birth_of(pid) == birth]

    def pid_of(self, words: str) -> int:
        """Return the direct child whose command line holds ``words``."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next(int(pid) for pid in children if words in Path(f"/proc/{pid}/cmdline").read_text())

    def values(self) -> dict[str, str]:
        """Return what ``var/env`` says."""
        return environment.read(self.folder)

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self.process is not None and self.process.poll() is None:
            self.kin |= self.processes()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def a_stack() -> Iterator[Stack]:
    """Give a stack that has not been started, in a folder of its own; end it and remove the folder afterwards."""
    path = Path(tempfile.mkdtemp(prefix="wagmi-stack-"))
    path.chmod(0o711)
    one = Stack(path / "var")
    try:
        yield one
    finally:
        one.end()
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def stack() -> Iterator[Stack]:
    with a_stack() as one:
        yield one
