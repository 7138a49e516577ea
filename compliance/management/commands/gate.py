"""Run the registered checks of one tag and say of each whether it is proven."""

import json
import sys
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
        for each in gates.optional():
            parser.add_argument(f"--{each.id}", action="store_true", help=f"also look whether {each.title}")

    def handle(self, *args: Any, **options: Any) -> None:
        also = [each.id for each in gates.optional() if options[each.id.replace("-", "_")]]
        results = gates.run(options["tag"], also=also)
        found = gates.said(options["tag"], results)
        record = evidence.record("gate", found) if options["record"] else None
        if options["json"]:
            self.stdout.write(json.dumps(found, indent=2, ensure_ascii=False))
        else:
            self._lines(options["tag"], results)
        if record:
            # Beside the JSON, whose form others read by a machine.
            out = self.stderr if options["json"] else self.stdout
            out.write(f"recorded: evidence {Head(record.number, record.sha256)}")
        if not gates.passed(results):
            sys.exit(1)

    def _lines(self, tag: str, results: list[gates.Result]) -> None:
        styles = {"pass": self.style.SUCCESS, "fail": self.style.ERROR, "not_run": self.style.WARNING}
        for result in results:
            reason = f": {result.reason}" if result.reason else ""
            rests = f" [evidence {result.record}]" if result.record else ""
            state = styles[result.state](f"{result.state:<8}")
            self.stdout.write(f"{state} {result.id:<30} {result.title}{reason}{rests}")
        counts = ", ".join(f"{sum(each.state == state for each in results)} {state}" for state in styles)
        passed = "PASSED" if gates.passed(results) else "NOT PASSED"
        self.stdout.write(f"gate {tag}: {passed} ({counts}); {gates.NOT_A_CERTIFICATE}")
