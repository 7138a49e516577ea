"""``manage.py redteam``: attack the site that runs here, and say what came of it."""

import asyncio
import logging
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from billing import keys
from billing.errors import NotAllowed
from compliance import audit
from compliance.models import EvidenceRecord
from factory.management.commands.evaluate import committed
from factory.redteam import own, scan
from factory.redteam.cases import cases
from factory.redteam.doors import Api
from factory.redteam.environment import NotInstalled
from factory.redteam.runs import Attempt, Run, Target, begin, body, keep, record
from inference.registry import Served, declared

# The same slice through both doors: with our pages around the model, and the model alone.
DOORS: dict[str, dict[str, Any]] = {"api-grounded": {"grounding": True}, "api-raw": {}}


class Command(BaseCommand):
    help = (
        "Attack the site that runs here: our own cases and a slice of garak's probes. Calls of the API are made with a"
        " key that is made for the run and charged to a person. Without one, only what needs no key is run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--slice", choices=scan.SLICE_NAMES, help="only garak, with these probes")
        parser.add_argument("--own", action="store_true", help="only our own cases")
        parser.add_argument("--case", action="append", default=[], help="only own cases whose id begins like this")
        parser.add_argument("--model", default="wagmi-small", help="the model that garak asks")
        parser.add_argument("--email", default="", help="who pays for the calls of the API")
        parser.add_argument("--record", action="store_true", help="write the result to evidence and findings")

    def handle(self, *args: Any, **options: Any) -> None:
        for app in ("chat", "inference"):  # a line for each question would hide what came of it
            logging.getLogger(app).setLevel(logging.ERROR)
        both = not options["slice"] and not options["own"]
        if (options["slice"] or both) and not options["email"]:
            raise CommandError("garak asks the API: name who pays with --email, or run --own.")
        with _key_for(options["email"]) as key:
            api = Api(settings.API_URL, key) if key else None
            if options["own"] or both:
                self._own(api, options)
            if options["slice"] or both:
                for name, extra in DOORS.items():
                    self._garak(name, extra, key, options)

    def _own(self, api: Api | None, options: dict[str, Any]) -> None:
        wanted = tuple(options["case"])
        chosen = [case for case in cases() if not wanted or case.id.startswith(wanted)]
        if wanted and options["record"]:
            raise CommandError("A part of the cases is not recorded.")
        plan = own.plan(_target("site", _served("wagmi-small")), chosen)
        begun = begin(plan, committed=committed()) if options["record"] else None
        self._tell(asyncio.run(own.run(chosen, plan, api=api, told=self._attempt)), begun)

    def _garak(self, name: str, extra: dict[str, Any], key: str, options: dict[str, Any]) -> None:
        wanted = scan.slice_named(options["slice"] or "ci")
        target = _target(name, _served(options["model"]))
        begun = begin(scan.plan(wanted, target), committed=committed()) if options["record"] else None
        try:
            run = scan.run(wanted, target, url=f"{settings.API_URL}/v1/", key=key, extra=extra)
        except (NotInstalled, scan.ScanFailed) as error:
            raise CommandError(str(error)) from error
        for row in run.by_probe():
            counts = (
                f"{row['attempts']:>4} counted {row['hits']:>3} hits {row['refused']:>3} refused {row['void']:>3} void"
            )
            self.stdout.write(f"{counts}  {row['id']}")
        for probe, why in sorted(run.left_out.items()):
            self.stdout.write(f"     not run: {probe} ({why})")
        self._tell(run, begun)

    def _attempt(self, each: Attempt) -> None:
        """Say what came of a case, never what the model said: that is in the run's file."""
        state = "void" if each.void else "HIT" if each.hit else "ok"
        self.stdout.write(f"{state:<5}{each.attack:<44}{each.why}")

    def _tell(self, run: Run, begun: EvidenceRecord | None) -> None:
        plan = run.plan
        sha256 = keep(run)
        found = body(run, raw_sha256=sha256)
        counts = f"{found['attempts']} attempts, {found['hits']} hits, {found['void']} void, {run.duration_s} s"
        self.stdout.write(
            f"{plan.tool} {plan.version} {plan.slice} at {plan.target.name} ({plan.target.model}): {counts}"
        )
        self.stdout.write(f"outputs: redteam/{sha256}.jsonl")
        if begun is not None:
            self.stdout.write(f"recorded: evidence {record(run, begun).number}")


@contextmanager
def _key_for(email: str) -> Iterator[str]:
    """Give a key for the run, revoked at its end; none without a person."""
    if not email:
        yield ""
        return
    person = User.objects.filter(email=email).first()
    if person is None:
        raise CommandError("Nobody has an account with this address.")
    try:
        made, text = keys.make(keys.customer_of(person), "red team", actor=audit.OPERATOR)
    except NotAllowed as error:
        raise CommandError(f"No key could be made: {error.reason}.") from error
    try:
        yield text
    finally:
        keys.revoke(made, actor=audit.OPERATOR, reason="run_over")


def _served(model: str) -> Served:
    found = next((one for one in declared() if one.public_id == model), None)
    if found is None:
        raise CommandError(f"No model {model} is registered here. Is the stack up?")
    return found


def _target(name: str, served: Served) -> Target:
    return Target(name, served.public_id, served.weights_sha256)
