"""Put on record what stands behind the site now, under a name."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance.chain import Head
from factory import release
from factory.release import ReleaseRefused


class Command(BaseCommand):
    help = (
        "Write a card of each model and the record of release NAME to the evidence: the sha256 of weights, prompt, "
        "index, thresholds, lock files, code. The gate then fails when a byte of them is another. Attestations sign "
        "this record."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        try:
            record, new = release.record(name)
        except ReleaseRefused as error:
            raise CommandError(str(error)) from error
        for artifact, said in sorted(record.body["artifacts"].items()):
            self.stdout.write(f"{artifact:<20} {said['sha256']}")
        cards = len(record.body["models"])
        state = "recorded" if new else "unchanged since it was recorded"
        self.stdout.write(f"release {name}: {state}, {cards} models, evidence {Head(record.number, record.sha256)}")
