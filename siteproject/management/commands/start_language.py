"""Begin a further language: write the files that are missing, then say what is left for a translator.

Nothing that exists is changed, so it may be run again to see how far a translation has come.
"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from siteproject.management.commands.checkcatalogs import wanted
from siteproject.management.commands.compilecatalogs import compile_catalogs
from siteproject.skeletons import LanguageError, begin, dates_unknown_to_django, gaps, write_drafts, write_files


class Command(BaseCommand):
    help = "Write the skeleton of a further language and list what is not translated. Changes nothing that exists."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", help="the language as in addresses: de, pt-br")
        parser.add_argument("--name", default="", help="its name in the language itself, where Django does not know it")
        parser.add_argument("--english-name", default="", help="its name in English")
        parser.add_argument("--direction", choices=("ltr", "rtl"), default="", help="where its lines begin")
        parser.add_argument("--content", action="store_true", help="also copy every document, as a draft to translate")

    def handle(self, *args: Any, **options: Any) -> None:
        locales = Path(settings.LOCALE_PATHS[0])
        names = {key: options[key] for key in ("name", "english_name", "direction")}
        try:
            begun = begin(options["code"], locales, **names)
        except LanguageError as error:
            raise CommandError(str(error)) from None
        messages = [*wanted(settings.BASE_DIR), *dates_unknown_to_django(begun.code)]
        for path in write_files(begun, locales, messages):
            self.stdout.write(f"written  {path}")
        if options["content"]:
            for path in write_drafts(begun.code, settings.CONTENT_DIR):
                self.stdout.write(f"written  {path}")
        compile_catalogs(locales)
        for line in gaps(begun.code, locales, settings.CONTENT_DIR, messages):
            self.stdout.write(line)
        self.stdout.write("docs/languages.md says what each is for. The site speaks the language after its next start.")
