"""People with stored conversations, for the tests about them."""

import datetime
import uuid
from typing import Any

from django.db.models.functions import Now

from accounts.models import User
from chat import consent, storing
from chat.models import Conversation, Message
from chat.storing import Stored, StoredVersion

DAY = datetime.timedelta(days=1)


def consenting(address: str) -> User:
    """Return a new person who has agreed to keeping their chats."""
    person = User.objects.create_user(address)
    consent.give(person, "en", "account")
    return person


def version(text: str = "Under Apache 2.0.", **fields: Any) -> StoredVersion:
    """Return one version of an answer."""
    given: dict[str, Any] = {
        "answer": uuid.uuid4(),
        "text": text,
        "language": "en",
        "rung": "small",
        "finish_reason": "stop",
        "sources": [{"n": 1, "title": "Licence", "url": "/knowledge/licence/", "score": 3.5, "quote": "Apache 2.0."}],
        "receipt": {
            "rung": "small",
            "language": "en",
            "model_name": "A model",
            "hardware": "cpu",
            "check": "supported",
        },
        "seal": "seal",
    }
    return StoredVersion(**{**given, **fields})


def stored(person: User, question: str = "Which licence?", *, conversation: uuid.UUID | None = None) -> Stored:
    """Store one exchange of a consenting person."""
    done = storing.store(
        subject=person.public_id,
        ask=uuid.uuid4(),
        question=question,
        language="en",
        version=version(),
        conversation=conversation,
    )
    assert done is not None
    return done


def age(conversation: uuid.UUID, by: datetime.timedelta) -> None:
    """Let a conversation and its messages become older by so much, as the database sees it."""
    Message.everything.filter(conversation__public_id=conversation).update(
        created_at=Now() - by, expires_at=Now() - by + 7 * DAY
    )
    Conversation.everything.filter(public_id=conversation).update(expires_at=Now() - by + 7 * DAY)
