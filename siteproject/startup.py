"""What our own processes do before they serve or work."""

import sys

import django
from django.core.checks import run_checks


def set_up() -> None:
    """Load Django and end the process, status 2, when a system check finds an error. Names are printed, never values.

    ``manage.py`` runs the checks by itself; the server and the worker are not commands of it.
    """
    django.setup()
    errors = [message for message in run_checks() if message.is_serious()]
    if errors:
        sys.exit("\n".join(f"{error.id}: {error.msg} {error.hint or ''}".strip() for error in errors))
