"""Rounds with the chat of a site that is up, over HTTP as any client has them: what the gate of a release asks."""

import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from content.passages import approved_pairs, passages

# Made of words that no page can hold: whoever answers it invents.
UNANSWERABLE = "Which zorblak did the veeltrip of Quornash marry in Ymmerfell?"
ROUND_S = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """How one question ended: ``problem`` is empty when it ended as it should."""

    name: str
    rung: str
    problem: str


class NoServer(Exception):
    """Nobody listens at that address."""


def questions() -> Iterator[tuple[str, str, str]]:
    """Yield name, language and text: what the pages answer in English, what they answer in French, what nobody can."""
    yield "en", "en", _question("en")
    yield "fr", "fr", _question("fr")
    yield "unanswerable", "en", UNANSWERABLE


def rounds(client: httpx.Client) -> list[Round]:
    """Ask every question at the client's base address. Raises NoServer."""
    return [_round(client, name, language, text) for name, language, text in questions()]


def _question(language: str) -> str:
    """Return a question in visitors' words that a passage answers and nobody wrote an answer for.

    Without such a phrasing in the content, the title of the first passage.
    """
    written = {question for pair in approved_pairs(language) for question in pair.questions}
    found = passages(language)
    asked = (phrasing for each in found for phrasing in each.phrasings if phrasing not in written)
    return next((each for each in asked if each.endswith("?")), found[0].title if found else "?")


def _round(client: httpx.Client, name: str, language: str, question: str) -> Round:
    ask = {
        "id": str(uuid.uuid4()),
        "secret": secrets.token_urlsafe(32),
        "messages": [{"role": "user", "content": question}],
        "language": language,
        "upgrade": False,
    }
    try:
        response = client.post("/api/chat", json=ask, timeout=ROUND_S)
    except httpx.ConnectError as error:
        raise NoServer from error
    except httpx.HTTPError as error:
        return Round(name, "", type(error).__name__)
    if response.status_code != 200:
        return Round(name, "", f"status {response.status_code}")
    last = _last_event(response.text)
    receipt = last.get("receipt") or {}
    rung = str(last.get("rung", ""))
    problems = {
        f"it ends with {last.get('type', 'nothing')}": last.get("type") != "done",
        "without a receipt": not receipt.get("request_id"),
        "without a seal": not last.get("seal"),
        f"on rung {rung}, which is none that answers": name != "unanswerable" and rung == "none",
        f"on rung {rung}, although no page answers it": name == "unanswerable" and rung != "none",
    }
    return Round(name, rung, next((problem for problem, wrong in problems.items() if wrong), ""))


def _last_event(stream: str) -> dict[str, Any]:
    lines = [line[6:] for line in stream.splitlines() if line.startswith("data: ")]
    try:
        found = msgspec.json.decode(lines[-1]) if lines else {}
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
