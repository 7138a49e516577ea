"""What the fault tests ask, and how they look at what comes back."""

import json
import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from tests.live import Site, ask, text_of
from tests.scripted import SECRET_BODY, ScriptedServer

# Our pages answer it, no approved pair does, and it is English: a model writes.
QUESTION = "Which licence is the code under and can I reuse it?"


@dataclass
class Stage:
    """A site and the scripted model server behind it."""

    site: Site
    server: ScriptedServer

    def recover(self) -> None:
        """Make the server well and prove it: the slot is free and the next question is answered at once."""
        self.server.reset()
        events = self.site.events(QUESTION)
        assert_one_end(events)
        assert events[-1]["type"] == "done" and events[-1]["rung"] == "small", events[-1]


def waiting_and_running(site: Site) -> tuple[int, int]:
    """Return how many questions wait for the small model and how many it works on, as the site tells everybody."""
    small = httpx.get(f"{site.url}/api/status", timeout=5).json()["tiers"]["small"]
    return small["waiting"], small["running"]


def message(question: str = QUESTION, **fields: Any) -> str:
    """Return an ask for the websocket."""
    return json.dumps({"type": "ask", **ask(question, **fields)})


def assert_one_end(events: list[dict[str, Any]]) -> None:
    """A stream has exactly one end, it is the last event, and nothing of the backend's own words is in it."""
    ends = [event["type"] for event in events if event["type"] in ("done", "error")]
    assert len(ends) == 1 and events[-1]["type"] == ends[0], [event["type"] for event in events]
    assert SECRET_BODY not in json.dumps(events)


def assert_honest_error(events: list[dict[str, Any]], code: str) -> None:
    """The stream ends with one error: a code, a sentence for the reader and a request id."""
    assert_one_end(events)
    error = events[-1]
    assert error["type"] == "error" and error["code"] == code, error
    assert error["message"].endswith(".") and uuid.UUID(error["request_id"])


def assert_quoted(events: list[dict[str, Any]]) -> None:
    """The model wrote nothing, so the passage's own words are the answer, and the reader is told why."""
    assert_one_end(events)
    done = events[-1]
    assert done["type"] == "done" and done["rung"] == "quoted", done
    assert done["notice"]["code"] == "model_unavailable" and done["notice"]["message"].endswith(".")
    assert done["receipt"]["model"] is None and done["receipt"]["completion_tokens"] == 0
    quote = next(event for event in events if event["type"] == "sources")["sources"][0]["quote"]
    assert text_of(events) == quote != ""
