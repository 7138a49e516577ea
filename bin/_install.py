"""Makes ``.venv`` and installs the hash-locked requirements. Standard library only: it runs before there is anything.

``bin/up``, ``bin/test`` and ``bin/check`` call ``ensure``. A second call with nothing changed costs a few
milliseconds: a stamp in ``.venv`` holds the digests of the lists that were installed.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed.json"
LOG = ROOT / "var" / "log" / "install.log"
DISK_NEEDED_MB = {"runtime": 500, "stack": 500, "dev": 1000}

# What pip says, and what that means to somebody who only wanted to start a site. First match wins.
MEANINGS = [
    ("No space left on device", "The disk is full.", "Free 1 GB and try again."),
    (
        "DO NOT MATCH THE HASHES",
        "A package differs from the one that was locked, and was refused.",
        "Tell the maintainers.",
    ),
    ("Permission denied", "The folder .venv belongs to another user.", "Remove it, or run as the user who owns it."),
    (
        "Failed to establish a new connection",
        "The package registry cannot be reached.",
        "Check the network and try again.",
    ),
    (
        "Temporary failure in name resolution",
        "The package registry cannot be reached.",
        "Check the network and try again.",
    ),
    ("Name or service not known", "The package registry cannot be reached.", "Check the network and try again."),
    ("Network is unreachable", "The package registry cannot be reached.", "Check the network and try again."),
    ("Connection refused", "The package registry cannot be reached.", "Check the network and try again."),
    ("timed out", "The package registry does not answer.", "Check the network and try again."),
    ("ProxyError", "The proxy towards the package registry does not answer.", "Check HTTPS_PROXY."),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "The package registry's certificate is not trusted here.",
        "Check the proxy and the clock.",
    ),
    ("from versions: none", "The package registry offers nothing.", "Check the network and pip's configuration."),
    ("No matching distribution found", "A package has no build for this Python.", "Use Python 3.11, 3.12 or 3.13."),
]


class InstallError(Exception):
    """An expected failure: what is wrong and what to do, in plain sentences."""


def ensure_or_exit(groups: list[str]) -> str:
    """Do what ``ensure`` does, but end the program with one sentence where that fails."""
    try:
        return ensure(groups)
    except InstallError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("Stopped. What was installed so far is used next time.")
    except OSError as error:
        sys.exit(f"The folder {ROOT} cannot be used ({error.strerror}: {error.filename}). Run as the user who owns it.")


def ensure(groups: list[str]) -> str:
    """Install ``requirements/<group>.txt`` for each group into ``.venv`` and return the path of its Python.

    Raises InstallError where this machine, its network or its disk does not allow it.
    """
    python = VENV / "bin" / "python"
    missing = _missing(groups)
    if not missing:
        return str(python)
    _check_machine(missing)
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with _alone():
        missing = _missing(groups)  # another start may have installed them meanwhile
        if missing and not _works(python):
            with _step("Python environment"):
                _make_venv()
        for group in missing:
            with _step(f"Packages: {group}"):
                _install(python, group)
            _remember(group)
    return str(python)


def _missing(groups: list[str]) -> list[str]:
    """Return the groups whose lists are not installed as they are now."""
    try:
        known = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        known = {}
    return [group for group in groups if not (VENV / "bin" / "python").exists() or known.get(group) != _digest(group)]


def _digest(group: str) -> str:
    """Return what an installed group depends on: its list, and the Python it was installed for."""
    list_digest = hashlib.sha256((ROOT / "requirements" / f"{group}.txt").read_bytes()).hexdigest()
    try:
        lines = (VENV / "pyvenv.cfg").read_text().splitlines()
    except OSError:
        lines = []
    version = next((line.split("=")[1].strip() for line in lines if line.startswith("version")), "")
    return f"{version} {list_digest}"


def _remember(group: str) -> None:
    try:
        known = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        known = {}
    known[group] = _digest(group)
    unfinished = STAMP.with_suffix(".new")
    unfinished.write_text(json.dumps(known, indent=1))
    unfinished.replace(STAMP)


def _check_machine(groups: list[str]) -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc":
        raise InstallError(
            "The bundled servers need Linux on x86-64 with glibc (a container with Debian will do); "
            f"this is {platform.system()} on {platform.machine()}."
        )
    if importlib.util.find_spec("ensurepip") is None:
        raise InstallError(
            "This Python cannot make environments: install its venv package (Debian: apt install python3-venv)."
        )
    needed = sum(DISK_NEEDED_MB.get(group, 0) for group in groups)
    free = shutil.disk_usage(ROOT).free // 1_000_000
    if free < needed:
        raise InstallError(
            f"Installing needs {needed} MB of disk, and {free} MB are free. Free some space and try again."
        )


def _works(python: Path) -> bool:
    """Say whether the environment's Python still runs, with pip: a folder that was moved or upgraded may not."""
    if not python.exists():
        return False
    done = subprocess.run([python, "-c", "import pip"], capture_output=True, check=False)
    return done.returncode == 0


def _make_venv() -> None:
    try:
        venv.create(VENV, with_pip=True, clear=VENV.exists(), symlinks=True)
    except subprocess.CalledProcessError as error:
        raise InstallError(
            "This Python cannot make environments: install its venv package (Debian: apt install python3-venv)."
        ) from error


def _install(python: Path, group: str) -> None:
    """Install one list. It is complete, so no dependency is looked up; and nothing is ever built from source."""
    requirements = ROOT / "requirements" / f"{group}.txt"
    command = [str(python), "-m", "pip", "install", "--require-hashes", "--only-binary", ":all:", "--no-deps"]
    command += ["--progress-bar", "off", "--no-input", "--disable-pip-version-check", "-r", str(requirements)]
    with LOG.open("w", encoding="utf-8") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, check=False)
    if done.returncode:
        raise InstallError(_meaning(LOG.read_text("utf-8", "replace")))


def _meaning(words: str) -> str:
    for sign, sentence, advice in MEANINGS:
        if sign in words:
            return f"{sentence} {advice} Details: {LOG}"
    return f"Packages could not be installed. Details: {LOG}"


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time install into ``.venv``."""
    with (LOG.parent / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _step(title: str) -> Iterator[None]:
    """Show a step while it runs, and its seconds when it is done; the words go to stderr, which nobody parses."""
    began = time.monotonic()
    sys.stderr.write(f"  {title:<34} ")
    sys.stderr.flush()
    try:
        yield
    except BaseException:
        sys.stderr.write("\n")
        raise
    sys.stderr.write(f"{time.monotonic() - began:5.1f} s\n")


if __name__ == "__main__":
    print(ensure_or_exit(sys.argv[1:] or ["runtime", "stack"]))
