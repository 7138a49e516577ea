"""The one door to a stored conversation: its owner's, and only while it is visible."""

import uuid

from accounts.models import User
from chat.errors import UnknownConversation
from chat.models import Conversation


def conversation_for(user: User, public_id: uuid.UUID) -> Conversation:
    """Return a conversation of this person, with ``name`` and ``left``.

    Raises UnknownConversation alike for one that never was, has expired or is somebody else's.
    """
    return conversation_of(user.public_id, public_id)


def conversation_of(subject: uuid.UUID, public_id: uuid.UUID) -> Conversation:
    """Return a conversation of the person with this public id; the same door for who holds no more than that."""
    mine = Conversation.objects.filter(user__public_id=subject, user__is_active=True, public_id=public_id)
    found = mine.named().first()
    if found is None:
        raise UnknownConversation
    return found


def lock_person(user: User) -> None:
    """Make what this transaction does about a person's conversations follow what others do about them.

    Consenting, withdrawing, storing and deleting on demand take this lock first, so that no answer is written between
    a withdrawal and its commit, or into a conversation that is being deleted.
    """
    User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
