"""Periods of the fault tests: those of production, times ``FAULT_SCALE`` (a tenth unless it says otherwise)."""

import os

SCALE = float(os.environ.get("FAULT_SCALE") or "0.1")

# What a site waits for, in seconds, as in production; the total is half of it to keep full-length runs bearable.
SITE = {
    "LLM_FIRST_TOKEN_S": 20.0,
    "LLM_IDLE_S": 15.0,
    "LLM_TOTAL_S": 60.0,
    "CHAT_RESUME_GRACE_S": 15.0,
    "CHAT_RESUME_KEPT_S": 60.0,
    "CHAT_SOCKET_FIRST_S": 10.0,
    "CHAT_SOCKET_IDLE_S": 120.0,
    "CHAT_KEEP_ALIVE_S": 5.0,
    "REQUEST_READ_S": 20.0,
}


def scaled(seconds: float) -> float:
    """Return ``seconds`` of production in this run."""
    return seconds * SCALE


def period(name: str) -> float:
    """Return what the setting ``name`` is in this run."""
    return scaled(SITE[name])


def settings() -> dict[str, str]:
    """Return the environment that makes a site keep these periods."""
    return {name: str(scaled(seconds)) for name, seconds in SITE.items()}
