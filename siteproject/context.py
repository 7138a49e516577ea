"""What every template may use."""

from django.conf import settings
from django.http import HttpRequest
from django.urls import translate_url


def site(request: HttpRequest) -> dict[str, object]:
    """Return the site's name and addresses, and this page's address in each language."""
    path = request.get_full_path()
    return {
        "SITE_NAME": settings.SITE_NAME,
        "SITE_URL": settings.SITE_URL,
        "CHAT_URL": settings.CHAT_URL if settings.CHAT_URL != settings.SITE_URL else "",
        "CONTACT_EMAIL": settings.CONTACT_EMAIL,
        "DEBUG": settings.DEBUG,
        "page_languages": [(code, name, translate_url(path, code)) for code, name in settings.LANGUAGES],
    }
