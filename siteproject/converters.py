"""Path converters."""

from django.conf import settings


class LanguageConverter:
    """A language of the site, as in ``/live/fr/chat/`` or ``/live/pt-br/chat/``."""

    regex = "[a-z]{2,3}(?:-[a-z0-9]{2,8})*"

    def to_python(self, value: str) -> str:
        if value not in dict(settings.LANGUAGES):
            raise ValueError
        return value

    def to_url(self, value: str) -> str:
        return value
