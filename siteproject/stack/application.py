"""Our own two processes as parts of the stack."""

from pathlib import Path

from siteproject.stack.children import Child, python_module
from siteproject.stack.folder import Folder
from siteproject.stack.part import Part
from siteproject.stack.probe import http_status

# An address that means "all of this machine" is asked on its loopback.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


class Worker(Part):
    """The Celery worker with beat inside. It proves itself by its heartbeat in Redis, which ``doctor`` reads."""

    name = "worker"
    title = "Worker"

    def __init__(self, folder: Folder, environment: dict[str, str]) -> None:
        super().__init__()
        self._log = folder.log / "worker.log"
        self._environment = environment

    def start(self) -> None:
        """Start the worker."""
        self.child = Child(python_module("siteproject.worker"), log=self._log, environment=self._environment)

    def ready(self) -> bool:
        """Say whether it lives: nobody has to wait for it, its work is rows that wait."""
        return self.pid is not None


class Web(Part):
    """The web server on ``bind`` and ``port``."""

    name = "web"
    title = "Web server"

    def __init__(self, folder: Folder, environment: dict[str, str], *, bind: str, port: int) -> None:
        super().__init__()
        self._log: Path = folder.log / "web.log"
        self._environment = environment
        self._address = (LOOPBACK.get(bind, bind), port)

    def start(self) -> None:
        """Start the server."""
        self.child = Child(python_module("siteproject.serve"), log=self._log, environment=self._environment)

    def ready(self) -> bool:
        """Say whether it answers ``GET /health`` with 200."""
        return self.pid is not None and http_status(*self._address, "/health") == 200
