"""What every part of the stack can do: start, say that it is ready, stop, and account for itself."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from siteproject.stack.children import Child, cpu_seconds, last_line
from siteproject.stack.errors import StackError


class Part:
    """One server as a plain child process. Subclasses say how to start it and when it is ready."""

    name = ""
    title = ""
    stop_signal = signal.SIGTERM
    ready_within_s = 60.0
    # Exit statuses after which trying again cannot help.
    hopeless: frozenset[int] = frozenset()
    # Whether the site waits for it, and stops when it cannot be kept running; without the others it goes on.
    needed = True

    def __init__(self) -> None:
        self.child: Child | None = None

    def start(self) -> None:
        """Start the process; returns before it is ready."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Say whether it serves now. Cheap enough to be asked twenty times a second."""
        raise NotImplementedError

    @property
    def pid(self) -> int | None:
        """The process number while it lives."""
        return None if self.child is None or self.child.ended() else self.child.pid

    def cpu_seconds(self) -> float:
        """Return the CPU time used since it started, user and system together; 0 when it does not run."""
        return cpu_seconds(self.pid) if self.pid else 0.0

    def ended(self) -> bool:
        """Say whether the process is gone though it had been started."""
        return self.child is not None and self.child.ended()

    def reason(self) -> str:
        """Return in a few words why it ended: the last line it wrote, or else its exit status."""
        if self.child is None:
            return "not started"
        code = self.child.exit_code
        status = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
        return last_line(self.child.log) or status

    def stop(self, seconds: float = 5) -> None:
        """Stop it: politely first, with SIGKILL for its whole group after ``seconds``."""
        if self.child is None:
            return
        self.child.ask_to_stop()
        if not self.child.wait(seconds):
            self.child.kill()

    def wait_until_ready(self) -> None:
        """Return when it serves. Raises StackError when it ends first or takes longer than ``ready_within_s``."""
        deadline = time.monotonic() + self.ready_within_s
        while not self.ready():
            if self.ended():
                raise StackError(f"{self.title} ended while starting: {self.reason()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.title} was not ready after {self.ready_within_s:.0f} seconds.")
            time.sleep(0.02)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Give the part, started and ready; stop it afterwards."""
        try:
            self.start()
            self.wait_until_ready()
            yield self
        finally:
            self.stop()
