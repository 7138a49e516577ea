"""What the chat keeps, each for its time.

``conversations`` what people asked to keep · ``flags`` answers that a reader handed over for review · ``corrections``
what staff wrote because of them · ``contact`` messages to the people behind the site.

Text expires: ``chat.retention`` does every deletion of it.
"""

from chat.models.contact import TeamMessage, TeamReply
from chat.models.conversations import (
    NAME_CHARS,
    AskedQuestion,
    Conversation,
    ConversationQuerySet,
    DeletedBatch,
    Message,
    expiry,
)
from chat.models.corrections import Correction, RegressionCase, TrainingExample, WithdrawnExample
from chat.models.flags import Flag

__all__ = [
    "NAME_CHARS",
    "AskedQuestion",
    "Conversation",
    "ConversationQuerySet",
    "Correction",
    "DeletedBatch",
    "Flag",
    "Message",
    "RegressionCase",
    "TeamMessage",
    "TeamReply",
    "TrainingExample",
    "WithdrawnExample",
    "expiry",
]
