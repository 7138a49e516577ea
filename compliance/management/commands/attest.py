"""Say which statements are attested, and what one of them says. Signing is done in the admin, by the person."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from compliance import attestations
from compliance.errors import UnknownStatement
from compliance.statements import Statement, statement, statements


class Command(BaseCommand):
    help = (
        "List the statements that named persons must vouch for, with their state; exit status 1 unless all of them "
        "count. With ID, print that statement in both languages. A person signs in the admin, with a fresh proof of "
        "who they are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("id", nargs="?", metavar="ID")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["id"]:
            return self._show(options["id"])
        outcomes = [(each, attestations.outcome(each)) for each in statements()]
        if options["json"]:
            found = [
                {"id": each.id, "result": outcome.state, "reason": outcome.reason, "record": outcome.record}
                for each, outcome in outcomes
            ]
            self.stdout.write(json.dumps({"statements": found}, indent=2, ensure_ascii=False))
        else:
            for each, outcome in outcomes:
                self.stdout.write(f"{outcome.state:<8} {each.id:<22} {each.title_en}: {outcome.reason}")
        if any(outcome.state != "pass" for _each, outcome in outcomes):
            sys.exit(1)
        return None

    def _show(self, id: str) -> None:
        try:
            found: Statement = statement(id)
        except UnknownStatement as error:
            raise CommandError(f"{id}: there is no such statement") from error
        roles = f", as {' and '.join(found.roles)}" if found.roles else ""
        self.stdout.write(f"{found.id}: sha256 {found.sha256}")
        self.stdout.write(f"counts {found.days} days, {found.people} people{roles}\n")
        for title, text in ((found.title_en, found.text_en), (found.title_fr, found.text_fr)):
            self.stdout.write(f"{title}\n{text}\n")
