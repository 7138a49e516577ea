"""What a person says about themselves: for now their language."""

from django.conf import settings
from django.db import transaction

from accounts.models import User
from compliance import audit


def change_language(user: User, language: str) -> bool:
    """Set the language of a person's pages and mail. False for one the site does not have."""
    if language not in dict(settings.LANGUAGES):
        return False
    before = user.language
    if before != language:
        with transaction.atomic():
            user.language = language
            user.save(update_fields=["language"])
            audit.record(
                "profile.changed",
                actor=user,
                object_kind="user",
                object_id=user.public_id,
                before={"language": before},
                after={"language": language},
            )
    return True
