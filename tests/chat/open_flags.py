"""Flags that wait for somebody, for the tests about them."""

import datetime
import hashlib
import uuid
from typing import Any

from django.db.models.functions import Now

from chat.models import Flag
from content.passages import passages

DAY = datetime.timedelta(days=1)
RECEIPT = {
    "rung": "small",
    "language": "en",
    "request_id": "r-1",
    "tier": "small",
    "hardware": "cpu",
    "model": "wagmi-small",
    "model_name": "A model",
    "passages": ["licence#licence"],
    "check": "not_supported",
    "check_reasons": ["number"],
    "completion_tokens": 12,
    "energy_j": {"low": 1.0, "mid": 2.0, "high": 3.0},
}


def flag(question: str = "Which licence is the code under?", **fields: Any) -> Flag:
    """Return an open flag of a visitor, its texts good for a week."""
    given: dict[str, Any] = {
        "number_sha256": hashlib.sha256(uuid.uuid4().bytes).hexdigest(),
        "answer": uuid.uuid4(),
        "answer_until": Now() + 7 * DAY,
        "language": "en",
        "reason": Flag.Reason.WRONG,
        "words": "That is not so.",
        "question": question,
        "text": "The code is under the **GPL**.",
        "passages": [passages("en")[0].id],
        "receipt": RECEIPT,
        "rung": "small",
        "model": "wagmi-small",
        "notice_version": "1",
        "notice_sha256": "0" * 64,
        "expires_at": Now() + 7 * DAY,
    }
    row = Flag.objects.create(**{**given, **fields})
    row.refresh_from_db()
    return row
