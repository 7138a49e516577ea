"""Print a link to the admin for one person: single use, fifteen minutes."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from accounts import staff
from accounts.addresses import canonical
from accounts.errors import BeingErased


class Command(BaseCommand):
    help = "Make EMAIL a member of staff and print a link to the admin, good once within fifteen minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument(
            "--forget-factors",
            action="store_true",
            help="delete the person's passkeys, app and recovery codes, which are lost",
        )

    def handle(self, *args: Any, email: str, forget_factors: bool, **options: Any) -> None:
        try:
            address = canonical(email)
        except ValidationError as error:
            raise CommandError(f"{email}: {' '.join(error.messages)}") from error
        try:
            user = staff.make_staff(address)
        except BeingErased as error:
            raise CommandError("This person has asked to be erased; try again when that is done.") from error
        if forget_factors:
            staff.forget_factors(user)
        path = reverse("accounts:staff-enter", args=[staff.link_token(user)])
        self.stdout.write(f"{settings.CHAT_URL}{path}")
