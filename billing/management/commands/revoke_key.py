"""``manage.py revoke_key KEY``: end a key now, wherever it turned up."""

import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q

from billing import keys
from billing.models import ApiKey
from compliance import audit


class Command(BaseCommand):
    help = "End a key, named by its random id, by what it begins with, or by the key itself as it was found somewhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", help="a random id, the first ten characters, or the whole key")
        parser.add_argument("--reason", default="operator", help="one word for the audit log, such as leaked")

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(ApiKey.objects.filter(_named(options["key"].strip())))
        if not found:
            raise CommandError("No key is called that.")
        if len(found) > 1:
            ids = ", ".join(str(key.public_id) for key in found)
            raise CommandError(f"{len(found)} keys begin with that; name one by its id: {ids}.")
        key = found[0]
        if keys.revoke(key, actor=audit.OPERATOR, reason=options["reason"]):
            self.stdout.write(f"Revoked {key.public_id} ({key.prefix}…). Every process refuses it within 5 seconds.")
        else:
            self.stdout.write(f"{key.public_id} ({key.prefix}…) was revoked before, on {key.revoked_at:%Y-%m-%d}.")


def _named(text: str) -> Q:
    if keys.is_key(text):
        return Q(digest__in=keys.digests(text).values())
    try:
        return Q(public_id=uuid.UUID(text))
    except ValueError:
        # Shorter would be everybody's.
        return Q(prefix=text) if len(text) == keys.SHOWN_CHARS else Q(pk=None)
