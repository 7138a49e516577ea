"""A whole running site for tests: real processes, their pids in hand, everything on loopback."""

import atexit
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
from websockets.sync.client import ClientConnection, connect

from siteproject.stack.embeddings import EmbeddingServer
from siteproject.stack.folder import ROOT, Folder
from siteproject.stack.llama import WEIGHTS_SHA256, LlamaServer
from siteproject.stack.on_demand import OnDemandServer
from siteproject.stack.postgres import Postgres
from siteproject.stack.probe import free_port
from siteproject.stack.redis_server import Redis

READY_S = 40
SIGN_IN = """
from django.contrib.auth import login
from django.test import RequestFactory
from importlib import import_module
from django.conf import settings
from accounts.models import User
from chat import consent
for address in {addresses!r}:
    person = User.objects.filter(email=address).first() or User.objects.create_user(address)
    if address in {consenting!r}:
        consent.give(person, "en", "account")
    request = RequestFactory().get("/")
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    login(request, person, backend=settings.AUTHENTICATION_BACKENDS[0])
    request.session.save()
    print("session", address, request.session.session_key)
"""


@dataclass
class Site:
    """One site with a folder, a database and processes of its own. ``env`` is what its processes were started with.

    ``root`` is where its code and content are: this checkout, or a copy of it that a test has changed.
    """

    folder: Folder
    env: dict[str, str]
    postgres: Postgres
    redis: Redis
    llama: LlamaServer | None
    root: Path = ROOT
    large: OnDemandServer | None = None
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.env["SITE_URL"]

    def manage(self, *arguments: str) -> str:
        """Run a management command in this site's environment and return what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{arguments}: {done.stderr[-2000:]}"
        return done.stdout

    def started(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a management command that says *ready* and waits for a line, and return it when it has said so."""
        command = [sys.executable, "manage.py", *arguments]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        process = subprocess.Popen(command, cwd=self.root, env=self.env, **pipes)
        assert process.stdout is not None and process.stdout.readline().strip() == "ready"
        return process

    def sign_in(self, *addresses: str, consenting: tuple[str, ...] = ()) -> dict[str, str]:
        """Return the key of a new session for each address, whose people are made if not there."""
        code = SIGN_IN.format(addresses=addresses, consenting=consenting)
        lines = [line.split() for line in self.manage("shell", "-v", "0", "-c", code).splitlines()]
        return {line[1]: line[2] for line in lines if line[:1] == ["session"]}

    def start(self, name: str, module: str) -> None:
        log = self.folder.log / f"{name}.log"
        with log.open("ab") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=self.root,
                env=self.env,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def start_web(self) -> None:
        self.start("web", "siteproject.serve")
        wait_for(lambda: self.healthy(), READY_S, self.log("web"))

    def start_worker(self) -> None:
        self.start("worker", "siteproject.worker")

    def start_switch(self) -> None:
        self.start("switch", "siteproject.switch")

    def healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def log(self, name: str) -> str:
        path = self.folder.log / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # --- asking ---

    def ask(self, question: str, *, language: str = "en", **fields: Any) -> httpx.Response:
        """Ask over HTTP and return the finished response."""
        return httpx.post(f"{self.url}/api/chat", json=ask(question, language=language, **fields), timeout=60)

    def events(self, question: str, *, language: str = "en", **fields: Any) -> list[dict[str, Any]]:
        """Ask over HTTP and return the events."""
        response = self.ask(question, language=language, **fields)
        assert response.status_code == 200, response.text
        return events_of(response.text)

    def socket(self, **headers: str) -> ClientConnection:
        """Return an open websocket, with this site as its origin."""
        address = self.url.replace("http", "ws", 1) + "/ws/chat/"
        return connect(address, origin=headers.pop("origin", self.url), additional_headers=headers, max_size=None)  # type: ignore[arg-type]


def ask(question: str, *, language: str = "en", **fields: Any) -> dict[str, Any]:
    """Return an ask object with fresh id and secret."""
    return {
        "id": str(uuid.uuid4()),
        "secret": secrets.token_urlsafe(32),
        "messages": [{"role": "user", "content": question}],
        "language": language,
        **fields,
    }


def events_of(stream: str) -> list[dict[str, Any]]:
    """Return the events in a text of server-sent events."""
    return [msgspec.json.decode(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]


def received(
    socket: ClientConnection, *, until: tuple[str, ...] = ("done", "error"), timeout: float = 40
) -> list[dict[str, Any]]:
    """Return the events of a socket up to the first of the types in ``until``."""
    found: list[dict[str, Any]] = []
    ends = time.monotonic() + timeout
    while not found or found[-1]["type"] not in until:
        found.append(msgspec.json.decode(socket.recv(timeout=max(0.1, ends - time.monotonic()))))
    return found


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["text"] for event in events if event["type"] == "delta")


def wait_for(condition: Any, seconds: float, context: str = "") -> None:
    """Return once ``condition()`` is true; fail the test after ``seconds``."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"not within {seconds} s {context[-1500:]}"
        time.sleep(0.05)


_collected: list[Path] = []


def _collect_static(site: Site) -> None:
    """Collect the static files once for a test run and copy them for the sites that follow."""
    mine = site.folder.path / "static"
    if _collected:
        shutil.copytree(_collected[0], mine)
        return
    site.manage("collectstatic", "--noinput", "--verbosity=0")
    kept = Path(tempfile.mkdtemp(prefix="wagmi-static-"))
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    shutil.copytree(mine, kept, dirs_exist_ok=True)
    _collected.append(kept)


@cache
def _migrated() -> Path:
    """Return the data of a stopped PostgreSQL that has every migration of this checkout: a site begins with a copy.

    Made once in a process. A copy takes a tenth of a second, making and migrating a database six on a busy machine.
    """
    path = Path(tempfile.mkdtemp(prefix="wagmi-migrated-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    path.chmod(0o711)
    folder = Folder(path)
    folder.make()
    postgres = Postgres(folder, durable=False)
    env = os.environ | {"VAR_DIR": str(path), "RUN_DIR": str(folder.run), "DATABASE_URL": postgres.url}
    postgres.start()
    try:
        postgres.wait_until_ready()
        migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
        subprocess.run(migrate, cwd=ROOT, env=env, check=True, capture_output=True, timeout=120)
    finally:
        postgres.stop()
    return postgres.data


@contextmanager
def running_site(
    *,
    model: bool = True,
    worker: bool = False,
    large: bool = False,
    embeddings: bool = False,
    durable: bool = False,
    root: Path = ROOT,
    **overrides: str,
) -> Iterator[Site]:
    """Start a site with its own PostgreSQL and Redis; with the real model, or with ``LLM_CPU_URL`` in ``overrides``.

    ``large`` gives it the large tier: a server that sleeps, and the dead man's switch. ``embeddings`` gives it the
    model that makes them. ``durable`` lets PostgreSQL wait for the disk, as it does outside tests.
    """
    path = Path(tempfile.mkdtemp(prefix="wagmi-site-"))
    path.chmod(0o711)
    folder = Folder(path)
    folder.make()
    key = secrets.token_urlsafe(40)
    postgres, redis = Postgres(folder, durable=durable), Redis(folder)
    llama = LlamaServer(folder, key=key) if model else None
    token = secrets.token_urlsafe(40)
    idle_s = float(overrides.get("LLM_GPU_PROVIDER_LIMIT_S") or 180)
    sleeper = OnDemandServer(folder, key=key, token=token, idle_s=idle_s) if large else None
    embedding = EmbeddingServer(folder, key=key) if embeddings else None
    port = free_port()
    parts = [part for part in (postgres, redis, llama, sleeper, embedding) if part is not None]
    env = {name: value for name, value in os.environ.items() if not name.startswith("LLM_")} | {
        "VAR_DIR": str(path),
        "RUN_DIR": str(folder.run),
        "SITE_URL": f"http://localhost:{port}",
        "PORT": str(port),
        "BIND": "127.0.0.1",
        "DATABASE_URL": postgres.url,
        "REDIS_URL": redis.url,
        "LLM_CPU_KEY": key,
        "CHAT_RATE_LIMIT": "10000/15m",
        "CORRECTIONS_RENEW_S": "1",
    }
    if llama is not None:
        env |= {
            "LLM_CPU_URL": llama.url,
            "LLM_CPU_WEIGHTS_SHA256": WEIGHTS_SHA256,
            "LLM_CPU_PID_FILE": str(llama.pid_file),
        }
    if sleeper is not None:
        env |= sleeper.addresses() | {"LLM_GPU_KEY": key, "LLM_GPU_WAKE_TOKEN": token}
    if embedding is not None:
        env |= embedding.addresses() | {"LLM_EMBED_KEY": key}
    site = Site(folder, env | overrides, postgres, redis, llama, root, sleeper)
    try:
        if root == ROOT:
            shutil.copytree(_migrated(), postgres.data)
            postgres.data.chmod(0o700)
        for part in parts:
            part.start()
        for part in parts:
            part.wait_until_ready()
        if root != ROOT:
            site.manage("migrate", "--verbosity=0")
        _collect_static(site)
        site.start_web()
        if worker:
            site.start_worker()
        if large:
            site.start_switch()
        yield site
    finally:
        site.stop()
        for part in reversed(parts):
            part.stop()
        shutil.rmtree(path, ignore_errors=True)
