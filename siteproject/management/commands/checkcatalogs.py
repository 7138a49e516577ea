"""Fail where a word of the interface is missing in a language that the site promises, or is broken in any.

What a further language lacks is counted: readers see English there until somebody translates it.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_python
from babel.messages.pofile import read_po
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.translation import template, to_locale

APPS = ("siteproject", "compliance", "accounts", "content", "billing", "inference", "chat", "factory")
KEYWORDS: dict[str, Any] = {
    "gettext": None,
    "_": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
}
TEMPLATES = (".html", ".svg", ".txt")


@dataclass(frozen=True, slots=True, order=True)
class Wanted:
    """A message of ours that every language needs; ``plural`` is empty where it counts nothing."""

    message: str
    plural: str = ""
    context: str = ""


def wanted(root: Path) -> list[Wanted]:
    """Return every message in our Python files and templates, sorted."""
    found: set[Wanted] = set()
    for app in APPS:
        for _file, _line, message, _comments, context in extract_from_dir(root / app, keywords=KEYWORDS):
            found.add(_wanted(message, context))
    for path in sorted((root / "templates").rglob("*")):
        if path.suffix in TEMPLATES:
            found |= set(_in_template(path))
    return sorted(each for each in found if each.message)


def _wanted(message: str | Sequence[Any], context: str | None = None) -> Wanted:
    if isinstance(message, str):
        return Wanted(message, context=context or "")
    # What counts something comes as singular, plural and, from a template, the number.
    return Wanted(str(message[0]), str(message[1]), context or "")


def _in_template(path: Path) -> Iterator[Wanted]:
    """Yield the messages of a template the way Django's own makemessages sees them."""
    # In brackets, because what is left of a template keeps its indentation, which Python would refuse.
    source = f"(\n{template.templatize(path.read_text(encoding='utf-8'), origin=str(path))}\n)"
    for _line, function, message, _comments in extract_python(io.BytesIO(source.encode()), KEYWORDS, [], {}):
        if function == "pgettext":
            yield _wanted(message[1], message[0])
        else:
            yield _wanted(message)


def untranslated(catalog: Catalog, messages: Iterable[Wanted]) -> Iterator[str]:
    """Yield one line for each message that is absent, empty or fuzzy: readers see the English one."""
    for each in messages:
        entry = catalog.get(each.message, each.context or None)
        if entry is None or not entry.string or (isinstance(entry.string, tuple) and not all(entry.string)):
            yield f"not translated: {each.message!r}"
        elif entry.fuzzy:
            yield f"fuzzy: {each.message!r}"


def broken(catalog: Catalog, messages: Iterable[Wanted]) -> Iterator[str]:
    """Yield one line for each translation with other placeholders than its original, which would be an error page."""
    for each in messages:
        entry = catalog.get(each.message, each.context or None)
        for error in entry.check(catalog) if entry and entry.string and not entry.fuzzy else ():
            yield f"{error}: {each.message!r}"


class Command(BaseCommand):
    help = "Check that every message is translated into the languages the site promises; count what others lack."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        messages = wanted(settings.BASE_DIR)
        failed = 0
        for code, _name in settings.LANGUAGES:
            if code == settings.LANGUAGE_CODE:
                continue
            path = Path(settings.LOCALE_PATHS[0]) / to_locale(code) / "LC_MESSAGES" / "django.po"
            if not path.exists():
                raise CommandError(f"{path.relative_to(settings.BASE_DIR)} is missing.")
            with path.open("rb") as file:
                catalog = read_po(file, locale=to_locale(code))
            missing = list(untranslated(catalog, messages))
            wrong = list(broken(catalog, messages))
            if code not in settings.COMPLETE_LANGUAGES:
                self.stdout.write(f"{code}: {len(messages) - len(missing)} of {len(messages)} messages translated")
                missing = []
            for line in [*missing, *wrong]:
                self.stderr.write(f"{code}: {line}")
            failed += len(missing) + len(wrong)
        if failed:
            raise CommandError(f"{failed} of {len(messages)} messages need a translator.")
        self.stdout.write(f"{len(messages)} messages, complete in {', '.join(settings.COMPLETE_LANGUAGES)}")
