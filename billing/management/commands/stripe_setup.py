"""``manage.py stripe_setup``: put what is sold into the account at Stripe, and its ids into our plans."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from billing import stripe_catalogue
from billing.errors import PaymentsAway, PaymentsOff


class Command(BaseCommand):
    help = "Make or find the products, prices, meter and portal at Stripe, and say what was done. Twice is harmless."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--webhook", action="store_true", help="also let Stripe send its messages here, and print their secret last"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            for line in stripe_catalogue.write():
                self.stdout.write(line)
            if options["webhook"]:
                self._webhook()
        except PaymentsOff as error:
            raise CommandError("STRIPE_SECRET_KEY is empty: payments are off.") from error
        except PaymentsAway as error:
            raise CommandError(f"Stripe did not take it: {error.reason or error.code}.") from error

    def _webhook(self) -> None:
        address = f"{settings.CHAT_URL}{reverse('stripe-webhook')}"
        secret = stripe_catalogue.make_webhook(address)
        if secret is None:
            self.stdout.write(f"webhook {address}: there; its secret is in Stripe's dashboard")
            return
        self.stdout.write(f"webhook {address}: made. For STRIPE_WEBHOOK_SECRETS, shown this once:")
        self.stdout.write(secret)
