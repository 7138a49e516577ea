"""Runs the regression set and prints what came of each case."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from chat.moderation import regression


class Command(BaseCommand):
    help = "Ask every question of the regression set as a reader would, without a model. Ends with 1 if one fails."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--language", choices=[code for code, _name in settings.LANGUAGES], help="default: each")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        results = regression.run(options["language"])
        for each in results:
            state = "pass" if each.passed else "FAIL"
            line = f"{state}  {each.language}  {each.case}  {each.rung or '-':8}  {', '.join(each.wrong)}"
            self.stdout.write(line.rstrip())
        failed = sum(not each.passed for each in results)
        self.stdout.write(f"{len(results) - failed} of {len(results)} cases pass")
        if failed:
            raise SystemExit(1)
