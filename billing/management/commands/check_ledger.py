"""``manage.py check_ledger``: each quota against the sum of its lines, now."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from billing import audit_ledger


class Command(BaseCommand):
    help = "Compare each quota with the sum of its lines, as every night; exit status 1 when one differs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--all", action="store_true", help="every month that is kept, not this one and the last")

    def handle(self, *args: Any, **options: Any) -> None:
        found = audit_ledger.check(timezone.now(), everything=options["all"])
        for each in found.details:
            self.stdout.write(
                f"{each['customer']} key {each['key']} {each['window']} {each['starts']}: "
                f"quota {_said(each['quota'])}, lines {_said(each['lines'])}"
            )
        self.stdout.write(f"{found.compared} quotas compared, {found.differing} differ.")
        if found.differing:
            sys.exit(1)


def _said(counts: dict[str, int]) -> str:
    return " ".join(f"{name}={count}" for name, count in counts.items())
