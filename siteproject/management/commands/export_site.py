"""Write the whole public site as a folder that any static host can serve."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from compliance import publishing
from content import export_folder
from content.export import ExportFailed, export
from siteproject.errors import error_page

MOST_PROBLEMS_SHOWN = 30


class Command(BaseCommand):
    help = (
        "Write every public page, feed, asset, error page and redirect to OUT, as the application serves them at "
        "SITE_URL. OUT is replaced in one step, and only when everything is as it should be."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("out", type=Path, metavar="OUT")
        parser.add_argument(
            "--as-collected", action="store_true", help="do not collect the static files first: they are up to date"
        )

    def handle(self, *args: Any, out: Path, as_collected: bool, **options: Any) -> None:
        began = time.monotonic()
        try:
            if not as_collected:
                call_command("collectstatic", interactive=False, verbosity=0)
            files = export(error_page=error_page).files
            records = publishing.exported()
            written = export_folder.write(files | records, out)
        except ExportFailed as error:
            shown = error.problems[:MOST_PROBLEMS_SHOWN]
            more = len(error.problems) - len(shown)
            text = "\n".join([*shown, *([f"and {more} more"] if more else [])])
            raise CommandError(f"Nothing was written. Problems: {len(error.problems)}.\n{text}") from error
        except OSError as error:
            raise CommandError(f"Nothing was written: {error.strerror} ({error.filename}).") from error
        self.stdout.write(
            f"{written.files} files, {len(written.changed)} of them new or changed, in {written.folder.name} "
            f"({time.monotonic() - began:.1f} s)" + ("" if records else "; without the evidence: none was found")
        )
