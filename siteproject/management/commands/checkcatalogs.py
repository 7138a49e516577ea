"""Fail on missing, fuzzy or broken translations: every word of the interface exists in every language."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_python
from babel.messages.pofile import read_po
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import template

APPS = ("siteproject", "compliance", "accounts", "content", "billing", "inference", "chat")
KEYWORDS: dict[str, Any] = {
    "gettext": None,
    "_": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
Key = tuple[str, str | None]


def wanted(root: Path) -> set[Key]:
    """Return every (message, context) in our Python files and templates; of plurals the singular."""
    found: set[Key] = set()
    for app in APPS:
        for _file, _line, message, _comments, context in extract_from_dir(root / app, keywords=KEYWORDS):
            found.add((message[0] if isinstance(message, tuple) else message, context))
    for path in sorted((root / "templates").rglob("*.html")):
        found |= set(_in_template(path))
    return {(message, context) for message, context in found if message}


def _in_template(path: Path) -> Iterator[Key]:
    """Yield the messages of a template the way Django's own makemessages sees them."""
    # In brackets, because what is left of a template keeps its indentation, which Python would refuse.
    source = f"(\n{template.templatize(path.read_text(encoding='utf-8'), origin=str(path))}\n)"
    for _line, function, message, _comments in extract_python(io.BytesIO(source.encode()), KEYWORDS, [], {}):
        if function == "pgettext":
            yield str(message[1]), str(message[0])
        else:
            yield str(message[0] if isinstance(message, tuple) else message), None


def problems(catalog: Catalog, messages: set[Key]) -> Iterator[str]:
    """Yield one line for each message that is absent, empty, fuzzy or has other placeholders than its original."""
    for message, context in sorted(messages, key=str):
        entry = catalog.get(message, context)
        if entry is None or not entry.string or (isinstance(entry.string, tuple) and not all(entry.string)):
            yield f"not translated: {message!r}"
        elif entry.fuzzy:
            yield f"fuzzy: {message!r}"
        else:
            for error in entry.check(catalog):
                yield f"{error}: {message!r}"


class Command(BaseCommand):
    help = "Check that every message is translated into every language of the site."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        messages = wanted(settings.BASE_DIR)
        failed = 0
        for code, _name in settings.LANGUAGES:
            if code == settings.LANGUAGE_CODE:
                continue
            path = Path(settings.LOCALE_PATHS[0]) / code / "LC_MESSAGES" / "django.po"
            if not path.exists():
                raise CommandError(f"{path.relative_to(settings.BASE_DIR)} is missing.")
            with path.open("rb") as file:
                found = list(problems(read_po(file, locale=code), messages))
            for line in found:
                self.stderr.write(f"{code}: {line}")
            failed += len(found)
        if failed:
            raise CommandError(f"{failed} of {len(messages)} messages need a translator.")
        self.stdout.write(f"{len(messages)} messages, complete in every language")
