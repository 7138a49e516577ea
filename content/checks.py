"""Start-up check: what is wrong in content/ stops the site before a reader sees it."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register

from content.passages import library


@register
def check_content(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """Return one error per thing that is wrong in a content file, with its file and line."""
    hint = "The form of a document stands in content/documents.py."
    return [Error(str(error), hint=hint, id="content.E001") for error in library().errors]
