"""Who runs on our behalf, written down, so that the next start can end what a killed one left."""

import contextlib
import json
import os
import signal
import time
from pathlib import Path

from siteproject.stack.children import birth_of, last_line
from siteproject.stack.folder import Folder


def remember(folder: Folder, children: list[tuple[int, signal.Signals]]) -> None:
    """Write down the children's numbers with what makes them unmistakable, and their stop signals."""
    entries = [{"pid": pid, "birth": birth_of(pid), "signal": int(number)} for pid, number in children]
    path = _path(folder)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(entries))
    unfinished.replace(path)


def end(folder: Folder) -> None:
    """End the children of a supervisor that was killed.

    The kernel has told them to stop when it died. This waits for the slow ones: a Redis that ends later would
    remove the socket of the new one.
    """
    living = [entry for entry in _read(folder) if _lives(entry)]
    for entry in living:
        _signal(entry, entry["signal"])
    deadline = time.monotonic() + 4
    while any(_lives(entry) for entry in living):
        if time.monotonic() > deadline:
            for entry in living:
                if _lives(entry):
                    _signal(entry, signal.SIGKILL)
            deadline += 2
        time.sleep(0.05)


def words_of(log: Path) -> str:
    """Return the last line of a log, or words that say there is none."""
    return last_line(log) or "it wrote nothing"


def _read(folder: Folder) -> list[dict[str, int]]:
    try:
        found = json.loads(_path(folder).read_text())
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _lives(entry: dict[str, int]) -> bool:
    birth = birth_of(int(entry["pid"]))
    return birth is not None and birth == entry["birth"]


def _signal(entry: dict[str, int], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(entry["pid"]), number)


def _path(folder: Folder) -> Path:
    return folder.run / "children.json"
