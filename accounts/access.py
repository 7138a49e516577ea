"""One door per kind of object: what is not theirs does not exist for a person."""

import uuid

from django.shortcuts import get_object_or_404

from accounts import sessions
from accounts.models import DataExport, User, UserSession


def export_for(user: User, public_id: uuid.UUID) -> DataExport:
    """Return an export of this person. Raises Http404 for anybody else's."""
    return get_object_or_404(DataExport, user=user, public_id=public_id)


def session_for(user: User, public_id: uuid.UUID) -> UserSession:
    """Return a living session of this person. Raises Http404 for anybody else's."""
    return get_object_or_404(sessions.of(user), public_id=public_id)
