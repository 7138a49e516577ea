"""The file ``var/env``: secrets made once, and where the running parts are. Mode 600, replaced in one step.

Settings call ``load`` when they are imported, so that ``manage.py``, the web server and the worker
all see the stack of this folder. What the environment says itself always wins.
"""

import fcntl
import os
import secrets
import sys
from pathlib import Path

from siteproject.stack.errors import StackError
from siteproject.stack.folder import Folder, var_folder

SECRETS = (
    "SECRET_KEY",
    "SEAL_KEY",
    "LLM_CPU_KEY",
    "LLM_GPU_KEY",
    "LLM_EMBED_KEY",
    "LLM_GPU_WAKE_TOKEN",
    "PRIVACY_PEPPER",
    "API_KEY_PEPPER",
)

# Commands that do their work without a database; for all others manage.py asks for a stack first.
NEEDS_NO_STACK = {
    "",
    "check",
    "checkcatalogs",
    "checkcontent",
    "collectstatic",
    "compilecatalogs",
    "diffsettings",
    "doctor",
    "drawcards",
    "export_site",
    "help",
    "makecatalogs",
    "makemigrations",
    "start_language",
    "startapp",
    "up",
    "version",
}


def load(folder: Folder | None = None) -> None:
    """Put secrets and, while the stack runs, its addresses into ``os.environ``; what is set there stays.

    Addresses that a killed supervisor left behind are passed over: nobody holds the lock any more.
    """
    folder = folder or var_folder()
    values = read(folder)
    if not running(folder):
        values = {name: value for name, value in values.items() if name in SECRETS}
    for tier in ("LLM_CPU", "LLM_GPU", "LLM_EMBED"):
        if f"{tier}_URL" in os.environ:
            # The key of our own model server is no business of somebody else's.
            values = {name: value for name, value in values.items() if not name.startswith(f"{tier}_")}
    for name, value in values.items():
        os.environ.setdefault(name, value)


def running(folder: Folder | None = None) -> bool:
    """Say whether a supervisor holds the lock of this folder."""
    try:
        with (folder or var_folder()).lock.open("rb") as lock:
            # A shared lock, given back at once; a supervisor that starts in this very moment asks again.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def require_stack(arguments: list[str]) -> None:
    """End the program with one sentence when a ``manage.py`` command needs a stack and there is none."""
    command = next((word for word in arguments[1:] if not word.startswith("-")), "")
    if command in NEEDS_NO_STACK or "--help" in arguments or os.environ.get("DATABASE_URL") or running():
        return
    sys.exit("The stack is not running: start it with bin/up in this folder, or set DATABASE_URL and REDIS_URL.")


def read(folder: Folder) -> dict[str, str]:
    """Return what the file says; empty when there is none."""
    try:
        lines = folder.environment.read_text().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StackError(
            f"{folder.environment} cannot be read ({error.strerror}).", "Run as the user who owns it."
        ) from error
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: value for name, value in pairs}  # noqa: C416 - mypy knows no dict of two-element lists


def keep_secrets(folder: Folder) -> dict[str, str]:
    """Return the secrets of this folder; those that are missing are made now and kept."""
    known = read(folder)
    kept = {name: known.get(name) or secrets.token_urlsafe(48) for name in SECRETS}
    write(folder, kept)
    return kept


def write(folder: Folder, values: dict[str, str]) -> None:
    """Replace the file in one step, so that no reader ever sees half of it."""
    text = "# Written by bin/up. The secrets stay; the addresses are those of the running stack.\n"
    text += "".join(f"{name}={value}\n" for name, value in values.items())
    unfinished = Path(f"{folder.environment}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(folder.environment)
