"""The governor of the GPU: no second is used that was not reserved, and no cap is met in mid-answer.

Before a wake the hard limits are reserved, each of which a timer enforces. Whoever asks while the backend is awake
takes over the rest of the reservation, lengthened to their own worst case: seconds are charged to the person and
class that cause them, so free use never lives on what paying use reserved. When the bill is known, the rest goes
back. PostgreSQL counts, under one lock; Redis has no part in it.
"""

import datetime
import logging
import uuid

from django.db import transaction

from inference import gpu_ledger, gpu_plans
from inference.errors import BudgetSpent
from inference.gpu_ledger import Asker
from inference.gpu_plans import answer_limit_s, hard_limit_s
from inference.models import GpuLedgerEntry, Wake

logger = logging.getLogger(__name__)
__all__ = [
    "BudgetSpent",
    "answer_limit_s",
    "extend",
    "hard_limit_s",
    "reserve",
    "settle",
]


@transaction.atomic
def reserve(
    wake: Wake, asker_class: str, subject: uuid.UUID | None = None, *, now: datetime.datetime | None = None
) -> None:
    """Reserve the hard limits for a new wake, and write until when it is covered. Call where the row is made.

    Raises BudgetSpent when they do not fit under every cap that counts them; then nothing is written.
    """
    gpu_ledger.lock()
    now = now or gpu_ledger.database_now()
    asker = Asker(asker_class, subject)
    plan = [gpu_plans.first(wake, asker, now)]
    _write(plan, asker, now)
    wake.covered_until = now + datetime.timedelta(seconds=plan[0].seconds)
    wake.save(update_fields=["covered_until"])


@transaction.atomic
def extend(
    wake_id: int, asker_class: str, subject: uuid.UUID | None = None, *, now: datetime.datetime | None = None
) -> bool:
    """Make sure that an answer beginning now is paid for to its end; from now on the wake is this asker's.

    Returns False when the wake is over or was not covered up to now: ask for another one. Raises BudgetSpent when the
    answer does not fit under a cap: it stays on the CPU, and the wake is whose it was.
    """
    row = Wake.objects.select_for_update().filter(pk=wake_id, state__in=gpu_plans.ANSWERING).first()
    if row is None or row.covered_until is None:
        return False
    gpu_ledger.lock()
    now = now or gpu_ledger.database_now()
    if now > row.covered_until:
        return False
    asker = Asker(asker_class, subject)
    plan = gpu_plans.handed_over(row, asker, now)
    _write(plan, asker, now)
    row.covered_until += datetime.timedelta(seconds=sum(entry.seconds for entry in plan))
    if row.state == Wake.State.READY:
        # In use from the moment it is paid for: nobody may put it to sleep as idle before the answer begins.
        row.used_at = now
    row.save(update_fields=["covered_until", "used_at"])
    return True


@transaction.atomic
def settle(wake: Wake, *, now: datetime.datetime | None = None) -> None:
    """Bring the entries of a wake that is over to its bill: what was not billed goes back, in proportion.

    ``billed_s`` counts in started granules. Twice is harmless, and a later, corrected bill is followed. A bill above
    the reservation is charged to the last asker as *corrected*, and is an alarm: a timer has not held.
    """
    row = Wake.objects.select_for_update().get(pk=wake.pk)
    gpu_ledger.lock()
    now = now or gpu_ledger.database_now()
    billed_s = wake.billed_s if wake.billed_s is not None else row.billed_s
    bill = gpu_plans.in_granules(gpu_plans.elapsed_s(row, now) if billed_s is None else billed_s)
    entries = list(row.ledger.order_by("id"))
    reserved = sum(each.seconds for each in entries)
    if bill != reserved:
        GpuLedgerEntry.objects.bulk_create(gpu_plans.settlement(row, entries, bill, now))
    if bill > reserved:
        logger.error("gpu wake %s: billed %d s, %d s were reserved", row.public_id, bill, reserved)


def _write(plan: list[GpuLedgerEntry], asker: Asker, now: datetime.datetime) -> None:
    spent = gpu_plans.too_much(plan, asker, now)
    if spent:
        raise spent
    GpuLedgerEntry.objects.bulk_create(plan)
