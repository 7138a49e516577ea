"""What the worker does about conversations."""

import logging

from celery import shared_task

from chat import retention

logger = logging.getLogger(__name__)


@shared_task
def sweep_expired() -> None:
    """Delete what has expired, put the count on record. Runs every ``RETENTION_SWEEP_S``; the next run is the retry."""
    deleted = retention.delete_expired()
    retention.record_evidence()
    if deleted:
        logger.info(
            "retention: %d messages, %d conversations, texts of %d flags, %d messages to the team deleted",
            deleted.messages,
            deleted.conversations,
            deleted.flags,
            deleted.team_messages,
        )
