"""What the worker does for the ledger. Every task may run twice, or late."""

from celery import shared_task
from django.utils import timezone

from billing import alerts, audit_ledger, ledger, metering, people, reconciliation, removals, webhooks


@shared_task
def sweep() -> None:
    """Settle calls whose process died."""
    ledger.sweep()


@shared_task
def tidy() -> None:
    """Drop what is kept for a day only, lines that are old enough, and customers that nothing keeps any more."""
    ledger.forget_idempotency()
    audit_ledger.delete_old_lines(timezone.now())
    people.tidy()
    webhooks.forget_old()
    removals.forget_done()


@shared_task
def check_ledger() -> None:
    """Compare quotas and lines once a UTC day; asked again until the day has its check."""
    audit_ledger.check_once_a_day(timezone.now())


@shared_task
def alert() -> None:
    """Tell customers how much of their month is used; the mail's own sweeper sends what this queues."""
    alerts.check(timezone.now())


@shared_task
def meter() -> None:
    """Sum the hours that are over, tell the payment provider, and remove there who is to go."""
    metering.close_hours(timezone.now())
    metering.send_due(timezone.now())
    removals.work_off()


@shared_task
def reconcile() -> None:
    """Compare what we told the payment provider with what it has, once a UTC day; asked again until the day is done."""
    reconciliation.run_once_a_day(timezone.now())
