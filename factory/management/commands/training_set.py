"""Makes the training set and says what was left out."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from factory import dataset


class Command(BaseCommand):
    help = "Write the training set as lines of JSON; what must not be in it is left out and counted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=Path, help="where to write it; default: training.jsonl in var/factory")
        parser.add_argument("--record", action="store_true", help="put digest and counts on record, for the gate")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        try:
            made = dataset.build()
        except OSError as error:
            raise CommandError(f"The questions that models are judged by are not there: {error}") from error
        path = options["out"] or dataset.file()
        dataset.write(made, path)
        self.stdout.write(f"{len(made.examples)} rows, sha256 {made.sha256}, in {path}")
        for reason, count in sorted(made.excluded.items()):
            self.stdout.write(f"left out: {count} {reason}")
        if options["record"]:
            self.stdout.write(f"evidence record {dataset.record(made).number}")
