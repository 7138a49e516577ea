"""The dead man's switch as a part of the stack: a process of its own that outlives web and worker."""

from siteproject.stack.children import Child, python_module
from siteproject.stack.folder import Folder
from siteproject.stack.part import Part


class Switch(Part):
    """Puts the large tier to sleep when nobody tends it (``siteproject.switch``)."""

    name = "switch"
    title = "Dead man's switch"

    def __init__(self, folder: Folder, environment: dict[str, str]) -> None:
        super().__init__()
        self._log = folder.log / "switch.log"
        self._environment = environment

    def start(self) -> None:
        """Start it."""
        self.child = Child(python_module("siteproject.switch"), log=self._log, environment=self._environment)

    def ready(self) -> bool:
        """Say whether it lives."""
        return self.pid is not None
