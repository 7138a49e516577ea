"""garak's own environment: a locked list of wheels, installed once under ``var/cache/redteam``."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from django.conf import settings

LOCKED = settings.BASE_DIR / "requirements" / "redteam.txt"
INSTALL_S = 600
OFFLINE = {"HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}


class NotInstalled(Exception):
    """Why garak cannot be run here, as a sentence."""


def python() -> Path:
    """Return the Python that has ``requirements/redteam.txt`` and nothing else, made if it is not there.

    Raises NotInstalled. One process at a time; environments of older lists are removed.
    """
    kept = settings.BASE_DIR / "var" / "cache" / "redteam"
    kept.mkdir(parents=True, exist_ok=True)
    folder = kept / f"garak-{hashlib.sha256(LOCKED.read_bytes()).hexdigest()[:12]}"
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for old in kept.glob("garak-*"):
            if old != folder:
                shutil.rmtree(old)
        if not (folder / "installed").exists():
            venv.create(folder, clear=True, symlinks=True)
            _install(folder / "bin" / "python")
            (folder / "installed").touch()
    return folder / "bin" / "python"


def variables(python: Path) -> dict[str, str]:
    """Return the whole environment of garak's process: no proxy, no key of ours, its folders beside its programs."""
    home = python.parent.parent / "home"
    folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("DATA", "CONFIG", "CACHE", "STATE")}
    return {"PATH": "/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"} | folders | OFFLINE


def version() -> str:
    """Return the version of garak in the locked list."""
    line = next(line for line in LOCKED.read_text(encoding="utf-8").splitlines() if line.startswith("garak=="))
    return line.removeprefix("garak==").split()[0]


def _install(python: Path) -> None:
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:", "--quiet", "--no-input", "-r", str(LOCKED)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise NotInstalled(f"requirements/{LOCKED.name} took more than {INSTALL_S} s") from error
    if done.returncode:
        raise NotInstalled(f"requirements/{LOCKED.name}: {done.stderr.strip()[-300:]}")
