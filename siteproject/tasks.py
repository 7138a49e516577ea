"""Housekeeping of the worker: its own sign of life, and what must follow the files."""

import logging
import time

from celery import shared_task
from django.core.cache import cache

from content import search

logger = logging.getLogger(__name__)
HEARTBEAT_KEY = "worker:heartbeat"
HEARTBEAT_KEPT_S = 60


@shared_task
def heartbeat() -> None:
    """Tell ``manage.py doctor`` and the admin that beat, broker and worker all work."""
    cache.set(HEARTBEAT_KEY, int(time.time()), HEARTBEAT_KEPT_S)


@shared_task
def sync_search() -> None:
    """Let the search find what is published now. Runs every 30 s; the next run is the retry."""
    synced = search.sync_search()
    if synced.written or synced.removed:
        logger.info("search: %d texts written, %d removed", synced.written, synced.removed)
