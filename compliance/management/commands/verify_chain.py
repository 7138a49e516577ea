"""Read both chains of records from their beginning and name the first record that is wrong."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from compliance import chain, heads
from compliance.chain import CHAINS, Head
from compliance.errors import NotAHead


class Command(BaseCommand):
    help = "Check the chains of records; exit status 1 when a record is missing or was changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--chain", choices=sorted(CHAINS), help="only this one")
        parser.add_argument("--head", type=_head, metavar="N:DIGEST", help="a head that somebody kept")
        parser.add_argument("--record", action="store_true", help="write the finding to the evidence, as each night")

    def handle(self, *args: Any, **options: Any) -> None:
        given: Head | None = options["head"]
        names = [options["chain"]] if options["chain"] else sorted(CHAINS)
        if given and len(names) > 1:
            names = [name for name in names if _holds(name, given)]
            if not names:
                self.stdout.write(self.style.ERROR(f"no chain holds record {given.number} with that digest"))
                sys.exit(1)
        sound = [self._look(name, [*([given] if given else []), *heads.kept(name)]) for name in names]
        if options["record"]:
            record = heads.check_now()
            self.stdout.write(f"recorded: evidence {Head(record.number, record.sha256)}")
        if not all(sound):
            sys.exit(1)

    def _look(self, name: str, kept: list[Head]) -> bool:
        reading = chain.read(CHAINS[name], kept=kept)
        if reading.broken:
            self.stdout.write(self.style.ERROR(f"{name}: BROKEN: {reading.broken}"))
            return False
        since = f", compared with {' and '.join(str(each) for each in kept)}" if kept else ""
        line = f"{name}: {reading.head.number} records, intact, head {reading.head}{since}"
        self.stdout.write(self.style.SUCCESS(line))
        return True


def _holds(name: str, head: Head) -> bool:
    return CHAINS[name]._default_manager.filter(number=head.number, sha256=head.sha256).exists()


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except NotAHead as error:
        raise argparse.ArgumentTypeError("a head is N:DIGEST, a number and 64 hexadecimal digits") from error
