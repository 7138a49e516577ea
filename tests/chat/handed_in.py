"""Answers under a seal, and flags of them handed in as a reader does, for the tests about the reader's side."""

import json
import uuid
from typing import Any

from accounts.models import User
from chat.models import Flag
from chat.moderation import drafts, flags
from chat.seals import seal
from inference.receipts import Receipt

QUESTION, ANSWER = "Which licence\nis it?", "It is under Apache 2.0."


def sealed(question: str = QUESTION, text: str = ANSWER, **fields: Any) -> dict[str, Any]:
    """Return a new answer as a browser has it: what the seal was made over, and the seal."""
    given: dict[str, Any] = {
        "rung": "small",
        "language": "en",
        "request_id": "r",
        "tier": "small",
        "hardware": "cpu",
        "model": "a-model",
        "model_name": "A model",
        "passages": ["knowledge/licence/en#which"],
        "completion_tokens": 9,
        "duration_ms": 900,
        "check": "supported",
        "cost": 0.0,
        "energy_j": {"low": 1.5, "mid": 3.0, "high": 7.5},
    }
    receipt = Receipt(**{**given, **fields})
    token = seal(answer=str(uuid.uuid4()), question=question, text=text, passages=receipt.passages, receipt=receipt)
    written = receipt.as_dict() | {
        "cost": 0,
        "energy_j": {"low": 1.5, "mid": 3, "high": 7.5},
    }  # a browser writes no 3.0
    return {"question": question, "text": text, "passages": receipt.passages, "receipt": written, "seal": token}


def body(answer: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return what the door takes."""
    return {**(answer or sealed()), "reason": "wrong", "language": "en", **fields}


def draft(answer: dict[str, Any] | None = None, **fields: Any) -> drafts.FlagDraft:
    return drafts.parse_draft(json.dumps(body(answer, **fields)).encode())


def flagged(user: User | None = None, **fields: Any) -> tuple[Flag, str]:
    """Hand a flag in; return its row and its number."""
    receipt = flags.hand_in(draft(**fields), user=user)
    return Flag.objects.get(public_id=receipt.public_id), receipt.number
