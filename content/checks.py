"""Start-up checks: what is wrong in the content folder stops the site before a reader sees it."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Warning, register

from content.library import library
from content.soundness import errors

HINT = "The form of a document stands in content/documents.py."

# More than these would keep the site from starting for seconds; they are read while it serves.
MOST_TO_READ_AT_START = 300


@register
def check_content(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E001: something is wrong in a content file, with its file and line. W002: not all bodies have been read yet."""
    found = library()
    if found.unread() > MOST_TO_READ_AT_START:
        message = f"{found.unread()} documents are new: their texts are read while the site serves."
        hint = "manage.py checkcontent reads all of them now."
        front = [Error(str(error), hint=HINT, id="content.E001") for error in found.errors]
        return [*front, Warning(message, hint=hint, id="content.W002")]
    found.read_bodies()
    return [Error(str(error), hint=HINT, id="content.E001") for error in errors(found)]
