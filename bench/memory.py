"""What the whole stack holds in memory, as ``bin/up`` starts it, once its prompt cache is full."""

import sys
import time

import psutil

from bench.callers import Socket, run
from bench.figures import within
from bench.processes import tree_pss_kib
from bench.report import Result, run_program
from bench.stage import LIFTED, written_questions
from bench.up import Started, own_folder, running_up

WARMED_S = 90.0
ASKED_S = 15.0
MIB_IN_KIB = 1024
GOAL_MB = 700.0

# What a command line shows of each part, first match wins; the supervisor is the process that has them all.
PARTS = {
    "siteproject.stack.llama_server": "llama.cpp, model loaded",
    "siteproject.serve": "web",
    "siteproject.worker": "worker",
    "redis-server": "Redis",
    "postgres": "PostgreSQL",
}


def measure() -> list[Result]:
    """Start the stack with its default cache, wait until passages are warm, ask about the others, and weigh it."""
    lifted = {"CHAT_RATE_LIMIT": LIFTED["CHAT_RATE_LIMIT"]}
    with own_folder() as folder, running_up(folder, **lifted) as up:
        _wait_until_warm(up)
        asked = run(_ask(up))
        parts = _weigh(up)
    total_mb = sum(parts.values()) * MIB_IN_KIB / 1e6
    note = f"PSS; passages warmed by the site itself, then {asked} more questions"
    return [
        *(Result(title, kib * MIB_IN_KIB / 1e6, "MB") for title, kib in parts.items()),
        Result("the whole stack", total_mb, "MB", GOAL_MB, note=note),
    ]


def _wait_until_warm(up: Started) -> None:
    """Return when the site says in its log that its passages are warm."""
    deadline = time.monotonic() + WARMED_S
    while "passages warmed" not in up.log("web"):
        if time.monotonic() > deadline:
            raise RuntimeError("the passages were not warm in time: the machine is too busy for this program")
        time.sleep(0.2)


async def _ask(up: Started) -> int:
    """Ask on every passage that a question is known for, so that the cache is as full as it gets."""
    socket = await Socket.open(up.url)
    asked = 0
    for question in within(written_questions(), ASKED_S):
        await socket.answer(question.text)
        asked += 1
    await socket.close()
    return asked


def _weigh(up: Started) -> dict[str, int]:
    """Return KiB by part. Raises RuntimeError where a part is missing, which would flatter the total."""
    found = {"supervisor": tree_pss_kib(up.pid)}
    for child in psutil.Process(up.pid).children():
        words = " ".join(child.cmdline())
        title = next((title for sign, title in PARTS.items() if sign in words), words[:40])
        found[title] = found.get(title, 0) + tree_pss_kib(child.pid)
        found["supervisor"] -= tree_pss_kib(child.pid)
    if missing := set(PARTS.values()) - set(found):
        raise RuntimeError(f"not running: {', '.join(sorted(missing))}")
    return found


if __name__ == "__main__":
    sys.exit(run_program("memory", measure))
