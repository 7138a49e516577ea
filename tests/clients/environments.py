"""An environment of its own for each client of the API: a locked list installed once under ``var/cache/clients``."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.node_tools import NodeMissing, node_with
from siteproject.stack.folder import ROOT

INSTALLED = ROOT / "var" / "cache" / "clients"
NODE_LOCKED = Path(__file__).parent / "node"
INSTALL_S = 600


class NotInstalled(Exception):
    """Why a client cannot be tried here, as a sentence."""


def python_with(name: str) -> str:
    """Return the Python that has ``requirements/clients-<name>.txt`` and nothing else. Raises NotInstalled."""
    locked = ROOT / "requirements" / f"clients-{name}.txt"
    with _folder(name, locked.read_bytes()) as folder:
        python = folder / "bin" / "python"
        stamp = folder / "installed"
        if not stamp.exists():
            venv.create(folder, clear=True, symlinks=True)
            command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--require-hashes", "--no-deps"]
            command += ["--only-binary", ":all:", "--quiet", "--no-input", "-r", str(locked)]
            _run(command, f"requirements/{locked.name}")
            stamp.touch()
    return str(python)


def node_client() -> tuple[str, Path]:
    """Return Node.js and the folder in which a program finds the client. Raises NotInstalled."""
    locked = b"".join((NODE_LOCKED / name).read_bytes() for name in ("package.json", "package-lock.json"))
    with _folder("node", locked) as folder:
        try:
            return node_with(NODE_LOCKED, folder), folder
        except NodeMissing as missing:
            raise NotInstalled(str(missing)) from missing


@contextmanager
def _folder(name: str, locked: bytes) -> Iterator[Path]:
    """Hold the folder of an environment, for one process at a time; older ones of its name are removed."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    folder = INSTALLED / f"{name}-{hashlib.sha256(locked).hexdigest()[:12]}"
    with (INSTALLED / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in INSTALLED.glob(f"{name}-*"):
            if old != folder:
                shutil.rmtree(old)
        yield folder


def _run(command: list[str], what: str) -> None:
    print(f"Installing {what} under var/cache/clients.", flush=True)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"{what} took more than {INSTALL_S} s") from error
    if done.returncode:
        raise NotInstalled(f"{what}: {done.stderr.strip()[-300:]}")
