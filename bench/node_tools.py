"""The two programs of Node's that the audits use, in the versions that bench/node locks, installed under ``var/``.

Nothing of the product needs Node: where it is missing or old, an audit says so and leaves these out.
"""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from siteproject.stack.folder import ROOT

LOCKED = ROOT / "bench" / "node"
FILES = ("package.json", "package-lock.json", ".npmrc")
INSTALLED = ROOT / "var" / "node"
NEEDED = (20, 19)

VALIDATOR = "html-validate/bin/html-validate.mjs"
LIGHTHOUSE = "lighthouse/cli/index.js"


class NodeMissing(Exception):
    """Why these programs cannot run here, as a sentence."""


def command(program: str) -> list[str]:
    """Return how to run one of them, after installing both where they are not. Raises NodeMissing."""
    return [node_with(LOCKED, INSTALLED), str(INSTALLED / "node_modules" / program)]


def node_with(locked: Path, folder: Path) -> str:
    """Return the path of Node.js after installing into ``folder`` what ``locked`` locks. Raises NodeMissing."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise NodeMissing("no Node.js and npm on this machine (Debian: apt-get install nodejs npm)")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(int(part) for part in said.removeprefix("v").split(".")[:2]) < NEEDED:
        raise NodeMissing(f"Node.js {said} is too old: {'.'.join(map(str, NEEDED))} or later")
    _install(npm, locked, folder)
    return node


def validate(folder: Path, config: Path) -> list[str]:
    """Return what the validator finds in the pages of a folder: file, line, rule and reason. Raises NodeMissing."""
    pages = sorted(str(path) for path in folder.glob("*.html"))
    done = subprocess.run(
        [*command(VALIDATOR), "--config", str(config), "--formatter", "json", *pages],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=300,
    )
    if not done.stdout.startswith("["):
        raise RuntimeError(f"the validator failed: {done.stderr[-500:]}")
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return [
        f"{Path(page['filePath']).name}:{one['line']}: {one['ruleId']}: {one['message']}"
        for page in found
        for one in page["messages"]
    ]


def _install(npm: str, locked: Path, folder: Path) -> None:
    """Install what the lock names, each package checked against its hash; no script of a package is run."""
    digest = hashlib.sha256(b"".join((locked / name).read_bytes() for name in FILES)).hexdigest()
    stamp = folder / "installed"
    if stamp.exists() and stamp.read_text() == digest:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(locked / name, folder / name)
    names = ", ".join(json.loads((locked / "package.json").read_text())["dependencies"])
    print(f"Installing {names} for Node.js under var/.", flush=True)
    done = subprocess.run([npm, "ci"], cwd=folder, capture_output=True, text=True, env=os.environ | {"CI": "1"})
    if done.returncode:
        raise NodeMissing(f"npm could not install them: {done.stderr.strip()[-300:]}")
    stamp.write_text(digest)
