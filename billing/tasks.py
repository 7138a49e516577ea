"""What the worker does for the ledger. Every task may run twice, or late."""

from celery import shared_task

from billing import ledger


@shared_task
def sweep() -> None:
    """Settle calls whose process died."""
    ledger.sweep()


@shared_task
def tidy() -> None:
    """Drop what is kept for a day only."""
    ledger.forget_idempotency()
