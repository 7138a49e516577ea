"""How much memory processes hold."""

from pathlib import Path

import psutil


def pss_kib(pid: int) -> int:
    """Return the proportional set size of a process: its own pages, and its share of those it has in common."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"no Pss for process {pid}")


def tree_pss_kib(pid: int) -> int:
    """Return the proportional set size of a process and all its descendants."""
    process = psutil.Process(pid)
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += pss_kib(each.pid)
        except (FileNotFoundError, ProcessLookupError):
            continue  # a backend of PostgreSQL that ended meanwhile
    return total
