"""Child processes that cannot outlive their parent, and the few things one must know about a process."""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from siteproject.stack.folder import ROOT

LOG_KEPT_BYTES = 5_000_000
PR_SET_PDEATHSIG = 1  # linux/prctl.h

_libc = ctypes.CDLL(None)


class Child:
    """One plain process in a session of its own, its output in a log file.

    Start it from a thread that lives as long as it should: the kernel sends ``stop_signal`` when that thread ends,
    also after a kill -9. The session keeps a terminal's Ctrl-C away from it, so that the parent decides the order.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str],
        stop_signal: signal.Signals = signal.SIGTERM,
        user: int | None = None,
    ) -> None:
        self.log = log
        self.stop_signal = stop_signal
        self.started_at = time.monotonic()
        with open_log(log) as output:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env=dict(environment),
                start_new_session=True,
                preexec_fn=_tied_to(os.getpid(), stop_signal),
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        self.pid = self._process.pid

    def ended(self) -> bool:
        """Say whether the process is gone; what it left in its group is gone then, too."""
        if self._process.returncode is not None:
            return True
        # Looked at without being reaped: as long as it is a zombie its number is nobody else's.
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return False
        self._kill_group()
        self._process.wait()
        return True

    @property
    def exit_code(self) -> int | None:
        """The exit status, negative for a signal, or None while it runs."""
        return self._process.returncode

    def ask_to_stop(self) -> None:
        """Send the stop signal; returns at once."""
        if not self.ended():
            os.kill(self.pid, self.stop_signal)

    def wait(self, seconds: float) -> bool:
        """Wait until the process ended; False when it has not within ``seconds``."""
        deadline = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def kill(self) -> None:
        """End the process and its group now, whatever they are doing."""
        if not self.ended():
            self._kill_group()
            self.wait(5)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in the group
            os.killpg(self.pid, signal.SIGKILL)


def _tied_to(parent: int, stop_signal: signal.Signals) -> Callable[[], None]:
    def tie() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(stop_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died between fork and prctl: no signal will come
            os._exit(1)

    return tie


def open_log(log: Path) -> BinaryIO:
    """Open a log for appending, mode 600; one that has grown large becomes ``<name>.1`` first."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_KEPT_BYTES:
        log.replace(log.with_name(log.name + ".1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")


def keep_small(log: Path) -> None:
    """Turn over a log that is being written: its lines are copied to ``<name>.1`` and it starts anew.

    The writer appends, so it goes on at the new end; a line written between copy and cut is lost.
    """
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_KEPT_BYTES:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
            os.truncate(log, 0)


def last_line(log: Path) -> str:
    """Return the last line with words in a log, at most 300 characters; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def bare_environment() -> dict[str, str]:
    """Return an environment for a server that needs none of ours: no secret, no foreign PG* variable."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC", "HOME": "/"}


def python_module(name: str) -> list[str]:
    """Return the command that runs a module of ours with this Python."""
    return [sys.executable, "-m", name]


def birth_of(pid: int) -> str | None:
    """Return what makes a process number unmistakable: boot and start time. None when there is no such process."""
    fields = _stat(pid)
    if fields is None or fields[0] == "Z":
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {fields[19]}"


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used, user and system together; 0 when it is gone."""
    fields = _stat(pid)
    return 0.0 if fields is None else (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the third on: the second may hold spaces and brackets."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
