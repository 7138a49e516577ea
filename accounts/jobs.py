"""Jobs that were given up, taken up again by a person who has looked into why."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts.models import User
from compliance import audit


def retry(rows: Any, *, actor: User) -> int:
    """Make every failed job of a queryset due with all its tries before it. Returns how many.

    An export is left out whose person asked for another one meanwhile.
    """
    return sum(_retry(row, actor) for row in rows.filter(state="failed"))


def _retry(row: Any, actor: User) -> bool:
    fresh = dict.fromkeys(row.COUNTERS, 0)
    try:
        with transaction.atomic():
            failed = type(row).objects.filter(pk=row.pk, state="failed")
            if not failed.update(state=row.OPEN, due_at=Now(), **fresh):
                return False
            audit.record("job.retried", actor=actor, object_kind=row._meta.model_name, object_id=row.pk)
    except IntegrityError:
        return False
    return True
