"""A model server that sleeps: started by a wake call, stopped by a sleep call, by itself when nobody uses it.

Run as ``python -m siteproject.stack.on_demand_server``: scale-to-zero on one machine. Listens on loopback, asks for a
bearer token, and speaks JSON: ``POST /wake`` and ``POST /sleep`` take ``{"fence": n}`` and refuse an older fence than
the newest they have seen with a 409; ``GET /state?since=<unix time>`` says state, process, start and billed seconds.
The process that is waiting is plain Python without Django: it costs little while the model sleeps.
"""

import hmac
import json
import math
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from siteproject.stack.children import Child, cpu_seconds, python_module
from siteproject.stack.probe import http_status

MAX_BODY_BYTES = 4096
LOOK_S = 0.2
STOP_S = 1.0
# CPU seconds that listing models and being looked at may cost in a whole idle period; an answer costs more.
NO_WORK_S = 0.1
RUNS_KEPT = 1000


@dataclass
class Machine:
    """What is wanted, and what runs. ``tend`` is for the main thread alone: children are tied to the thread that starts
    them; everything else may be called from any."""

    environment: dict[str, str]
    port: int
    log: Path
    pid_file: Path
    idle_s: float
    lifetime_s: float
    fence: int = -1
    wanted: bool = False
    child: Child | None = None
    runs: list[tuple[float, float]] = field(default_factory=list)
    started_at: float = 0.0
    why: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    changed: threading.Event = field(default_factory=threading.Event)
    stopped: threading.Event = field(default_factory=threading.Event)
    _cpu_s: float = 0.0
    _worked_at: float = 0.0
    _began: float = 0.0

    # --- from any thread ---

    def ask(self, *, awake: bool, fence: int) -> bool:
        """Say what is wanted; False when somebody with a newer fence has spoken."""
        with self.lock:
            if fence < self.fence:
                return False
            self.fence, self.wanted = fence, awake
            if not awake and self.child is not None:
                self.stopped.clear()
        self.changed.set()
        return True

    def state(self, since: float = 0.0) -> dict[str, Any]:
        """Return how it stands. ``why`` says why it last stopped."""
        with self.lock:
            child, wanted, runs = self.child, self.wanted, list(self.runs)
            started_at, why = self.started_at, self.why
        now = time.time()
        if child is not None:
            runs.append((started_at, now))
        billed_s = sum(max(0.0, end - max(begin, since)) for begin, end in runs)
        word = "asleep"
        if child is not None or wanted:
            ready = child is not None and wanted and http_status("127.0.0.1", self.port, "/health") == 200
            word = "awake" if ready else "waking"
        return {
            "state": word,
            "pid": child.pid if child else None,
            "started_at": started_at if child else None,
            "billed_s": math.ceil(billed_s),
            "why": why,
        }

    # --- from the main thread ---

    def tend(self) -> None:
        """Start or stop what should be, and notice what ended, idles or has run long enough."""
        if self.child is not None and self.child.ended():
            self._note_end("died")
        if self.child is None:
            if self.wanted:
                self._start()
        elif not self.wanted:
            self._stop("told")
        elif self._idles():
            self._stop("idle")
        elif time.monotonic() - self._began > self.lifetime_s:
            self._stop("lifetime")

    def _start(self) -> None:
        child = Child(python_module("siteproject.stack.llama_server"), log=self.log, environment=self.environment)
        with self.lock:
            self.child, self.started_at, self.why = child, time.time(), ""
        self.pid_file.write_text(f"{child.pid}\n")
        self._cpu_s, self._began = 0.0, time.monotonic()
        self._worked_at = self._began

    def _idles(self) -> bool:
        """Whether the model's CPU time has not moved for ``idle_s``: nobody has to tell it that a holder is dead."""
        assert self.child is not None
        now, used_s = time.monotonic(), cpu_seconds(self.child.pid)
        if used_s - self._cpu_s > NO_WORK_S:
            self._cpu_s, self._worked_at = used_s, now
        return now - self._worked_at > self.idle_s

    def _stop(self, why: str) -> None:
        assert self.child is not None
        self.child.ask_to_stop()
        if not self.child.wait(STOP_S):
            self.child.kill()
        self._note_end(why)

    def _note_end(self, why: str) -> None:
        with self.lock:
            self.runs = [*self.runs, (self.started_at, time.time())][-RUNS_KEPT:]
            self.child, self.why = None, why
            if why != "told":
                self.wanted = False
        self.pid_file.unlink(missing_ok=True)
        self.stopped.set()

    def end(self) -> None:
        """Leave nothing running."""
        with self.lock:
            self.wanted = False
        if self.child is not None:
            self._stop("told")


def handler_for(machine: Machine, token: str) -> type[BaseHTTPRequestHandler]:
    """Return the class that serves one connection."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10
        server_version, sys_version = "on-demand", ""

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/health":
                self._answer(200, {})
            elif not self._may():
                self._answer(401, {})
            elif url.path == "/state":
                since = _number(parse_qs(url.query).get("since", ["0"])[0])
                self._answer(200, machine.state(since))
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            if not self._may():
                self._answer(401, {})
                return
            fence = self._fence()
            if self.path not in ("/wake", "/sleep"):
                self._answer(404, {})
            elif fence is None:
                self._answer(400, {})
            elif not machine.ask(awake=self.path == "/wake", fence=fence):
                self._answer(409, {"fence": machine.fence})
            else:
                if self.path == "/sleep":
                    machine.stopped.wait(STOP_S + 1)
                self._answer(200, machine.state())

        def _may(self) -> bool:
            given = self.headers.get("Authorization", "")
            return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())

        def _fence(self) -> int | None:
            try:
                length = int(self.headers.get("Content-Length", "0"))
                if not 0 < length <= MAX_BODY_BYTES:
                    return None
                found = json.loads(self.rfile.read(length))["fence"]
            except (ValueError, KeyError, TypeError, RecursionError):
                return None
            return found if isinstance(found, int) and 0 <= found < 2**63 else None

        def _answer(self, status: int, value: dict[str, Any]) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """A line for each look would fill the log; what starts and stops is in the model server's own."""

    return Handler


def _number(text: str) -> float:
    """Return what the text says, 0 where it is no time."""
    try:
        found = float(text)
    except ValueError:
        return 0.0
    return found if math.isfinite(found) else 0.0


def main() -> int:
    """Serve until SIGTERM or SIGINT; nothing is left running afterwards."""
    env = os.environ
    ending = threading.Event()
    machine = Machine(
        environment={name: value for name, value in env.items() if not name.startswith("ON_DEMAND_")},
        port=int(env["LLAMA_PORT"]),
        log=Path(env["ON_DEMAND_LOG"]),
        pid_file=Path(env["ON_DEMAND_PID_FILE"]),
        idle_s=float(env["ON_DEMAND_IDLE_S"]),
        lifetime_s=float(env["ON_DEMAND_LIFETIME_S"]),
    )
    machine.stopped.set()
    machine.pid_file.unlink(missing_ok=True)

    def stop(*_: object) -> None:
        ending.set()
        machine.changed.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        server = ThreadingHTTPServer(
            ("127.0.0.1", int(env["ON_DEMAND_PORT"])), handler_for(machine, env["ON_DEMAND_TOKEN"])
        )
    except OSError as error:
        print(f"cannot listen on port {env['ON_DEMAND_PORT']}: {error.strerror}", file=sys.stderr, flush=True)
        return 1
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
    while not ending.is_set():
        # Asleep, there is nothing to look at until somebody calls.
        machine.changed.wait(LOOK_S if machine.child is not None else None)
        machine.changed.clear()
        machine.tend()
    machine.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
