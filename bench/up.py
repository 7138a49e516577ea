"""``bin/up`` itself in a folder of its own: the whole stack as its owner runs it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from siteproject.stack.folder import ROOT
from siteproject.stack.probe import free_port, http_status

READY_S = 100.0
STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class Started:
    """A running stack. ``pid`` is its supervisor, whose children are all the rest; ``began`` is monotonic."""

    url: str
    pid: int
    folder: Path
    began: float
    web_after_s: float

    def log(self, name: str) -> str:
        path = self.folder / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""


@contextmanager
def own_folder() -> Iterator[Path]:
    """Give a folder for VAR_DIR, removed afterwards. PostgreSQL runs as another user and must be able to enter it."""
    path = Path(tempfile.mkdtemp(prefix="wagmi-up-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running_up(folder: Path, **overrides: str) -> Iterator[Started]:
    """Run ``bin/up`` until the end of the context; entered as soon as the web server answers.

    Raises RuntimeError with the last words of the start where it fails or takes too long.
    """
    port = free_port()
    output = folder / "up.out"
    dropped = ("LLM_", "DATABASE_URL", "REDIS_URL", "SITE_URL", "PORT")
    env = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    env |= {"VAR_DIR": str(folder), "BIND": "127.0.0.1", **overrides}
    began = time.monotonic()
    with output.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "bin/up", "--port", str(port)], cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT
        )
    try:
        while http_status("127.0.0.1", port, "/health") != 200:
            if process.poll() is not None or time.monotonic() - began > READY_S:
                raise RuntimeError(f"bin/up did not start: {output.read_text(errors='replace')[-500:]}")
            time.sleep(0.02)
        yield Started(f"http://localhost:{port}", process.pid, folder, began, time.monotonic() - began)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
