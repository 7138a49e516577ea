"""Run the registered checks of one tag and say of each whether it is proven."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from compliance import evidence, gates
from compliance.chain import Head


class Command(BaseCommand):
    help = "Run the checks of a gate; exit status 1 unless every one of them passes. What was not run blocks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tag", choices=gates.tags())
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
        parser.add_argument("--record", action="store_true", help="write the result to the evidence")

    def handle(self, *args: Any, **options: Any) -> None:
        results = gates.run(options["tag"])
        passed = gates.passed(results)
        found = {
            "gate": options["tag"],
            "passed": passed,
            "note": gates.NOT_A_CERTIFICATE,
            "checks": [asdict(result) for result in results],
        }
        record = evidence.record("gate", found) if options["record"] else None
        head = str(Head(record.number, record.sha256)) if record else ""
        if options["json"]:
            self.stdout.write(json.dumps(found | ({"record": head} if head else {}), indent=2, ensure_ascii=False))
        else:
            self._lines(options["tag"], results, passed, head)
        if not passed:
            sys.exit(1)

    def _lines(self, tag: str, results: list[gates.Result], passed: bool, head: str) -> None:
        styles = {"pass": self.style.SUCCESS, "fail": self.style.ERROR, "not_run": self.style.WARNING}
        for result in results:
            reason = f": {result.reason}" if result.reason else ""
            self.stdout.write(f"{styles[result.state](f'{result.state:<8}')} {result.id:<24} {result.title}{reason}")
        counts = ", ".join(f"{sum(each.state == state for each in results)} {state}" for state in styles)
        self.stdout.write(f"gate {tag}: {'PASSED' if passed else 'NOT PASSED'} ({counts}); {gates.NOT_A_CERTIFICATE}")
        if head:
            self.stdout.write(f"recorded: evidence {head}")
