"""What the programs for Python's clients share: the steps they are asked for, and what came of each as JSON.

Standard library only: each of them runs in an environment that has one client and nothing of ours.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

BASE = os.environ["API_BASE"]
KEY = os.environ["API_KEY"]
SPENT_KEY = os.environ["API_KEY_SPENT"]
LIMITED_KEY = os.environ["API_KEY_LIMITED"]
REAL, SCRIPTED, EMBED, NONE = "wagmi-small", "wagmi-slow", "wagmi-embed", "wagmi-none"
# What the scripted model server does is in the question (tests/clients/upstream.py).
SAY, LATE, NEVER, BREAK, ENDLESS = "say it", "say it late", "never say it", "break off", "say it for ever"
TEXTS = ["A cat sleeps.", "Rates are in tokens."]
TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "The weather.", "parameters": {"type": "object", "properties": {}}},
}

Facts = dict[str, Any]
_steps: dict[str, Callable[[], Facts]] = {}


def step(function: Callable[[], Facts]) -> Callable[[], Facts]:
    """Let a test ask for this function by its name."""
    _steps[function.__name__] = function
    return function


def raised(error: BaseException) -> Facts:
    """Return what a caller can read in an error of a client: its class, and what it knows of the refusal."""
    names = ("status_code", "code", "param", "type", "request_id")
    headers = getattr(getattr(error, "response", None), "headers", {})
    return {
        "raised": f"{type(error).__module__.split('.')[0]}.{type(error).__name__}",
        "message": str(error),
        "retry_after": headers.get("retry-after"),
        **{name: getattr(error, name, None) for name in names},
    }


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a call gives, and its seconds."""
    began = time.monotonic()
    return call(), round(time.monotonic() - began, 2)


def left(pieces: int) -> Facts:
    """Return how many pieces a client had read when it stopped reading, and the moment, by the machine's clock."""
    return {"pieces": pieces, "left_at": time.monotonic()}


def drain(call: Callable[[], Any], refusal: type[Exception], limit: type[Exception]) -> int:
    """Make calls that cost nothing until the limit of the minute is reached; return how many were let in."""
    for number in range(100):
        try:
            call()
        except limit:
            return number
        except refusal:
            continue
    raise AssertionError("no limit in 100 calls")


def main() -> None:
    """Take the steps named on the command line, in that order, and print what came of them."""
    found = {}
    for name in sys.argv[1:]:
        began = time.monotonic()
        try:
            facts = _steps[name]()
        except Exception as error:
            facts = raised(error)
        found[name] = {**facts, "seconds": round(time.monotonic() - began, 2)}
    print(json.dumps(found))
