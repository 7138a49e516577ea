"""Read every document and print what is wrong, a line each, and a table of what is not translated."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from content.library import languages, library
from content.soundness import errors, gaps


class Command(BaseCommand):
    help = "Check pages, posts and knowledge: form, links, pictures, excerpts of code, translations."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        found = library()
        found.read_bodies()
        for kind, slug, missing in gaps(found):
            self.stdout.write(f"{kind + '/' + slug:40} " + " ".join(f"{code}: missing" for code in missing))
        wrong = errors(found)
        for error in wrong:
            self.stderr.write(str(error))
        if wrong:
            raise CommandError(f"{len(wrong)} things are wrong in the content folder.")
        self.stdout.write(f"{len(found.documents)} documents in {len(languages())} languages, all sound")
