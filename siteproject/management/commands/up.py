"""The supervisor under Django's command line, for those whose fingers know ``manage.py``."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Start the whole site in the foreground; the same as bin/up without the installation."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", help="port of the web server (8000, or PORT)")
        parser.add_argument("--debug", action="store_true", help="run Django with DEBUG=1, for developers")
        parser.add_argument("--servers", action="store_true", help="start PostgreSQL, Redis and the model server only")
        parser.add_argument("--verbose", action="store_true", help="show the logs of all parts")
        parser.add_argument(
            "--with-test-payments",
            action="store_true",
            help="let plans be bought from a stand-in for Stripe, which charges nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        words = [f"--{name}" for name in ("debug", "servers", "verbose") if options[name]]
        if options["with_test_payments"]:
            words.append("--with-test-payments")
        if options["port"]:
            words += ["--port", options["port"]]
        # The supervisor lives as long as the site: it takes this process's place, and Django's memory is given back.
        os.execv(sys.executable, [sys.executable, "-m", "siteproject.stack", *words])  # noqa: S606 - no shell is wanted
