"""What every template may use."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language

from content.head import json_text, language_paths, page_head
from content.library import languages
from content.structured_data import graph


def site(request: HttpRequest) -> dict[str, object]:
    """Return the site's name and addresses, where the switch of languages leads, and what the head says to machines."""
    match = request.resolver_match
    view_name = match.view_name if match else ""
    slug = str(match.kwargs.get("slug", "")) if match else ""
    if match and "language" in match.kwargs:
        # The application's own pages name their language in the path, not before it.
        paths = {code: reverse(view_name, kwargs={**match.kwargs, "language": code}) for code in languages()}
    else:
        paths = language_paths(view_name, slug)
    return {
        "SITE_NAME": settings.SITE_NAME,
        "SITE_URL": settings.SITE_URL,
        "CHAT_URL": settings.CHAT_URL if settings.CHAT_URL != settings.SITE_URL else "",
        "CONTACT_EMAIL": settings.CONTACT_EMAIL,
        "DEBUG": settings.DEBUG,
        "page_languages": [(code, name, paths[code]) for code, name in settings.LANGUAGES],
        "machine_head": _machine_head(view_name, slug),
    }


def _machine_head(view_name: str, slug: str) -> Callable[[], dict[str, object]]:
    """Return a function for the one template that asks, so that no other page pays for it."""

    def head() -> dict[str, object]:
        page = page_head(view_name, slug, get_language() or settings.LANGUAGE_CODE)
        return {"page": page, "json_ld": json_text(graph(page)) if page else ""}

    return head
