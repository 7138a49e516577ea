"""Starts the parts in order, watches and restarts them, and stops them in reverse order."""

import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass
from types import FrameType
from typing import BinaryIO

from siteproject.stack import embeddings, environment, leftovers, on_demand, preparation
from siteproject.stack.application import Web, Worker
from siteproject.stack.children import keep_small
from siteproject.stack.errors import StackError
from siteproject.stack.folder import ROOT, Folder
from siteproject.stack.llama import ALIAS, WEIGHTS_SHA256, LlamaServer, settings_from_environment
from siteproject.stack.part import Part
from siteproject.stack.postgres import Postgres
from siteproject.stack.probe import port_is_free
from siteproject.stack.redis_server import Redis
from siteproject.stack.switch import Switch
from siteproject.stack.terminal import Terminal
from siteproject.stack.test_payments.part import TestPayments

BACKOFF_S = (0.5, 1.5, 4.0)
# A part that ran this long has proved itself: its next failure is counted from one again.
PROVED_AFTER_S = 60.0
DISK_NEEDED_MB = 300
DISK_FULL_MB = 20
STOP_OURS_S, STOP_SERVERS_S = 3.0, 1.5


class Stopped(Exception):
    """Somebody asked the stack to stop."""


@dataclass
class Watch:
    """What the supervisor remembers about one part."""

    part: Part
    started_at: float
    failures: int = 0
    restart_at: float | None = None
    was_ready: bool = False


class Supervisor:
    """One stack in one folder, from ``run`` until a signal or a failure that restarts do not cure."""

    def __init__(
        self,
        folder: Folder,
        terminal: Terminal,
        *,
        port: int,
        bind: str,
        debug: bool = False,
        servers_only: bool = False,
        test_payments: bool = False,
    ) -> None:
        self.folder = folder
        self.terminal = terminal
        self.port = port
        self.bind = bind
        self.debug = debug
        self.servers_only = servers_only
        self.test_payments = test_payments
        # An address is written without its default port, as browsers send it.
        own = "http://localhost" if port == 80 else f"http://localhost:{port}"
        self.address = os.environ.get("SITE_URL") or own
        self._secrets: dict[str, str] = {}
        self._watched: list[Watch] = []
        self._stopping = False
        self._began = time.monotonic()
        self._wake, self._waker = socket.socketpair()

    def run(self) -> None:
        """Start everything, say the address, wait. Returns after SIGINT, SIGTERM or SIGHUP; raises StackError."""
        lock = self._lock()
        self._install_handlers()
        try:
            self._start()
            while True:
                self._look(news_every_s=0.3 if self.terminal.verbose else 2.0)
        except Stopped:
            self.terminal.say("Stopping.")
        finally:
            self._stop()
            lock.close()

    # --- before anything starts ---

    def _lock(self) -> BinaryIO:
        """Take the folder's lock, or raise StackError with the address of whoever has it."""
        try:
            self.folder.make()
            lock = self.folder.lock.open("a+b")
        except OSError as error:
            raise StackError(
                f"The folder {self.folder.path} cannot be written ({error.strerror}).", "Run as the user who owns it."
            ) from error
        for attempt in range(5):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if attempt < 4:
                    time.sleep(0.05)  # somebody may only have asked whether it is held
                    continue
                lock.seek(0)
                where = lock.read(200).decode("utf-8", "replace").strip()
                lock.close()
                raise StackError(
                    f"The site already runs in this folder, at {where}.", "Stop it there with Ctrl-C."
                ) from None
        lock.truncate(0)
        lock.write(f"{self.address} (process {os.getpid()})".encode())
        lock.flush()
        return lock

    def _install_handlers(self) -> None:
        """Let signals wake the loop; a child's end is one of them, so nothing has to be polled for."""
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _check_machine(self) -> None:
        free_mb = shutil.disk_usage(self.folder.path).free // 1_000_000
        if free_mb < DISK_NEEDED_MB:
            raise StackError(
                f"Only {free_mb} MB are free on the disk of {self.folder.path}.", f"Free at least {DISK_NEEDED_MB} MB."
            )
        if self.servers_only:
            return
        try:
            free = port_is_free(self.bind, self.port)
        except PermissionError:
            raise StackError(
                f"Port {self.port} needs rights this user lacks.", "Choose one above 1023: --port 8000"
            ) from None
        except OSError as error:
            raise StackError(
                f"BIND={self.bind} is no address of this machine ({error.strerror}).", "Correct BIND."
            ) from None
        if not free:
            raise StackError(f"Port {self.port} is taken by another program.", f"Try bin/up --port {self.port + 1}")

    # --- start ---

    def _start(self) -> None:
        leftovers.end(self.folder)
        if self.test_payments and os.environ.get("STRIPE_SECRET_KEY"):
            raise StackError(
                "STRIPE_SECRET_KEY names an account at Stripe.", "Leave one out: it, or --with-test-payments."
            )
        self._check_machine()
        self._secrets = environment.keep_secrets(self.folder)
        addresses, postgres, waited_for = self._start_servers()
        environment.write(self.folder, self._secrets | _replaced() | addresses)
        self._wait_for(waited_for)
        if not self.servers_only:
            children = {**os.environ, **_missing(self._secrets), **addresses, "VAR_DIR": str(self.folder.path)}
            children |= {"RUN_DIR": str(self.folder.run), "PYTHONUNBUFFERED": "1", "DEBUG": "1" if self.debug else "0"}
            self._run_steps([s for s in preparation.steps(self.folder, postgres) if self._is_due(s)], children)
            if self.test_payments:
                self._run_steps([preparation.plans_sold()], children)
            if children.get("LLM_GPU_URL"):
                self._begin(Switch(self.folder, children))
            self._begin(Worker(self.folder, children))
            self._begin(Web(self.folder, children, bind=self.bind, port=self.port))
        self._wait_for([watch.part for watch in self._watched if watch.part.needed])
        self.terminal.done("Ready", time.monotonic() - self._began)
        self.terminal.say(
            f"\n{self.address}\n" if not self.servers_only else "\nThe servers run; their addresses: var/env\n"
        )

    def _start_servers(self) -> tuple[dict[str, str], Postgres | None, list[Part]]:
        """Start what the environment does not replace.

        Gives the addresses, our PostgreSQL if it is ours, and the parts that must be ready before anything else.

        The model server goes first, because loading takes longest; nothing waits for it before the end.
        """
        addresses = {"PORT": str(self.port), "BIND": self.bind, "SITE_URL": self.address}
        waited_for: list[Part] = []
        if not os.environ.get("LLM_CPU_URL"):
            llama = LlamaServer(
                self.folder,
                key=self._secrets["LLM_CPU_KEY"],
                port=_last_port(self.folder),
                settings=settings_from_environment(),
            )
            self._begin(llama)
            addresses |= {
                "LLM_CPU_URL": llama.url,
                "LLM_CPU_RUNTIME": "llamacpp",
                "LLM_CPU_MODEL": ALIAS,
                "LLM_CPU_WEIGHTS_SHA256": WEIGHTS_SHA256,
                "LLM_CPU_PID_FILE": str(llama.pid_file),
            }
            (self.folder.run / "llama.port").write_text(str(llama.port))
        if on_demand.wanted():
            large = on_demand.from_environment(
                self.folder, key=self._secrets["LLM_GPU_KEY"], token=self._secrets["LLM_GPU_WAKE_TOKEN"]
            )
            self._begin(large)
            addresses |= large.addresses()
        if os.environ.get("LLM_EMBED_URL"):
            pass
        elif reason := embeddings.why_not(embeddings.free_memory()):
            self.terminal.say(f"  No embedding server: {reason}")
        else:
            embedding = embeddings.EmbeddingServer(self.folder, key=self._secrets["LLM_EMBED_KEY"])
            self._begin(embedding)
            addresses |= embedding.addresses()
        if self.test_payments:
            payments = TestPayments(self.folder, webhook=f"{self.address}/api/stripe/webhook")
            self._begin(payments)
            addresses |= payments.addresses()
            waited_for.append(payments)
        if not os.environ.get("REDIS_URL"):
            redis = Redis(self.folder)
            self._begin(redis)
            addresses["REDIS_URL"] = redis.url
            waited_for.append(redis)
        postgres: Postgres | None = None
        if not os.environ.get("DATABASE_URL"):
            postgres = Postgres(self.folder)
            self._begin(postgres)
            addresses["DATABASE_URL"] = postgres.url
            waited_for.append(postgres)
        return addresses, postgres, waited_for

    def _begin(self, part: Part) -> None:
        self._watched.append(Watch(part, time.monotonic()))
        part.start()
        self._remember()

    def _remember(self) -> None:
        children = [watch.part.child for watch in self._watched if watch.part.child is not None]
        with contextlib.suppress(OSError):  # a full disk must not stop what still runs
            leftovers.remember(self.folder, [(child.pid, child.stop_signal) for child in children])

    def _wait_for(self, parts: list[Part]) -> None:
        """Return when all of them are ready. Raises StackError for one that takes too long."""
        while late := [watch for watch in self._watched if watch.part in parts and not watch.was_ready]:
            for watch in late:
                seconds = time.monotonic() - watch.started_at
                if seconds > watch.part.ready_within_s:
                    raise StackError(
                        f"{watch.part.title} was not ready after {seconds:.0f} seconds.",
                        f"See {self._log_of(watch.part)}.",
                    )
            self._look(news_every_s=0.05)

    def _run_steps(self, due: list[preparation.Step], children: dict[str, str]) -> None:
        """Run steps side by side, and return when all are done."""
        log = self.folder.log / "prepare.log"
        for step in due:
            step.start(python=sys.executable, log=log, environment=children)
        try:
            while due:
                self._look(news_every_s=0.05)
                for step in list(due):
                    if step.child is None or not step.child.ended():
                        continue
                    if step.child.exit_code:
                        raise StackError(
                            f"manage.py {step.command[0]} failed: {leftovers.words_of(log)}", f"See {log}."
                        )
                    step.finished()
                    due.remove(step)
                    self.terminal.done(step.title, time.monotonic() - step.started_at)
        finally:
            for step in due:
                if step.child is not None:
                    step.child.kill()

    def _is_due(self, step: preparation.Step) -> bool:
        # The development server of DEBUG finds static files by itself.
        return not (self.debug and step.command[0] == "collectstatic") and step.needed()

    # --- watch ---

    def _look(self, *, news_every_s: float) -> None:
        """Sleep until a signal or the given time, then tend to the parts. Raises Stopped, StackError."""
        due = [watch.restart_at - time.monotonic() for watch in self._watched if watch.restart_at is not None]
        with contextlib.suppress(InterruptedError):
            select.select([self._wake], [], [], max(0.0, min([news_every_s, *due])))
        with contextlib.suppress(BlockingIOError):
            self._wake.recv(4096)
        if self._stopping:
            raise Stopped
        for watch in list(self._watched):
            self._tend(watch)
            if watch.part.child is not None:
                keep_small(watch.part.child.log)
        self.terminal.show_news()

    def _tend(self, watch: Watch) -> None:
        """Restart a part that ended, after a pause; raise StackError when that has not helped three times."""
        part, now = watch.part, time.monotonic()
        if watch.restart_at is not None:
            if now >= watch.restart_at:
                watch.restart_at, watch.started_at = None, now
                part.start()
                self._remember()
            return
        if not part.ended():
            if not watch.was_ready and part.ready():
                watch.was_ready = True
                self.terminal.done(part.title, now - watch.started_at)
            return
        watch.failures = 1 if now - watch.started_at > PROVED_AFTER_S else watch.failures + 1
        code = part.child.exit_code if part.child else None
        if code in part.hopeless or watch.failures > len(BACKOFF_S):
            if part.needed:
                raise StackError(self._why(part, watch.failures), f"See {self._log_of(part)}.")
            why = self._why(part, watch.failures).rstrip(".")
            self.terminal.complain(f"{why}. The site runs without it; see {self._log_of(part)}.")
            self._watched.remove(watch)
            return
        watch.restart_at = now + BACKOFF_S[watch.failures - 1]
        self.terminal.complain(f"{part.title} ended ({part.reason()}); it is started again.")

    def _why(self, part: Part, times: int) -> str:
        if shutil.disk_usage(self.folder.path).free < DISK_FULL_MB * 1_000_000 or "No space left" in part.reason():
            return f"{part.title} ended because the disk of {self.folder.path} is full."
        often = "" if times == 1 else f" {times} times in a row"
        return f"{part.title} ended{often}: {part.reason()}"

    def _log_of(self, part: Part) -> str:
        log = self.folder.log / f"{part.name}.log"
        return str(log.relative_to(ROOT) if log.is_relative_to(ROOT) else log)

    # --- stop ---

    def _stop(self) -> None:
        """Stop our processes, then the servers, within five seconds in all; nothing is left running."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # it is under way, and bounded
        parts = [watch.part for watch in reversed(self._watched)]
        ours = [part for part in parts if isinstance(part, Web | Worker | Switch)]
        servers = [part for part in parts if part not in ours]
        for group, seconds in ((ours, STOP_OURS_S), (servers, STOP_SERVERS_S)):
            deadline = time.monotonic() + seconds
            for part in group:
                if part.child is not None:
                    part.child.ask_to_stop()
            for part in group:
                part.stop(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(OSError):
            leftovers.remember(self.folder, [])
            if self._secrets:
                environment.write(self.folder, self._secrets)


def _missing(values: dict[str, str]) -> dict[str, str]:
    """Return what the environment does not already say, without our model servers' keys where it has others."""
    others = tuple(f"{tier}_" for tier in ("LLM_CPU", "LLM_GPU", "LLM_EMBED") if os.environ.get(f"{tier}_URL"))
    return {n: v for n, v in values.items() if not os.environ.get(n) and not (others and n.startswith(others))}


def _replaced() -> dict[str, str]:
    """Return the addresses that the environment gives instead of ours, for ``manage.py`` in another terminal."""
    names = ["DATABASE_URL", "REDIS_URL"]
    if os.environ.get("LLM_CPU_URL"):
        names += ["LLM_CPU_URL", "LLM_CPU_RUNTIME", "LLM_CPU_MODEL", "LLM_CPU_KEY", "LLM_CPU_WEIGHTS_SHA256"]
    if not on_demand.wanted():
        names += [name for name in os.environ if name.startswith("LLM_GPU_")]
    if os.environ.get("LLM_EMBED_URL"):
        names += [name for name in os.environ if name.startswith("LLM_EMBED_")]
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _last_port(folder: Folder) -> int | None:
    """Return the port the model server had last time, so that addresses in notes and tools stay true."""
    try:
        return int((folder.run / "llama.port").read_text())
    except (OSError, ValueError):
        return None
