"""``manage.py issue_key --email E --name N``: a key for somebody, alone on the last line."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from billing import keys, quotas
from billing.errors import NotAllowed
from billing.models import Plan
from compliance import audit


class Command(BaseCommand):
    help = "Print a new API key for a person, who is made if not there, on the last line. It is shown this once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", required=True, help="whose key it is")
        parser.add_argument("--name", required=True, help="what its owner will know it by")
        parser.add_argument("--plan", help="also move the customer to this plan (its short name), without a payment")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            person = User.objects.with_address(options["email"]).first() or User.objects.create_user(options["email"])
            customer = keys.customer_of(person)
            if options["plan"]:
                plan = Plan.objects.filter(slug=options["plan"]).first()
                if plan is None:
                    known = ", ".join(Plan.objects.values_list("slug", flat=True))
                    raise CommandError(f"No plan is called {options['plan']}. There are: {known}.")
                quotas.move(customer, plan, actor=audit.OPERATOR)
                customer.refresh_from_db()
            key, text = keys.make(customer, options["name"], actor=audit.OPERATOR)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except NotAllowed as error:
            raise CommandError(f"No key: {error.reason}.") from error
        self.stdout.write(f"Key {key.prefix}… of plan {customer.plan.slug}. It is shown this once:")
        self.stdout.write(text)
