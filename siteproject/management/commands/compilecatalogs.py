"""Compile locale/*/LC_MESSAGES/django.po without GNU gettext, which a bare machine does not have."""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.core.management.base import BaseCommand


def compile_catalogs(folder: Path) -> list[str]:
    """Write a .mo beside every .po that is newer than it. Returns the languages written; fuzzy entries are left out."""
    written = []
    for source in sorted(folder.glob("*/LC_MESSAGES/django.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        with source.open("rb") as file:
            catalog = read_po(file)
        with target.open("wb") as file:
            write_mo(file, catalog)
        written.append(source.parent.parent.name)
    return written


class Command(BaseCommand):
    help = "Compile the message catalogs that have changed."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        for folder in settings.LOCALE_PATHS:
            for language in compile_catalogs(Path(folder)):
                self.stdout.write(f"compiled {language}")
