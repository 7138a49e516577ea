"""Housekeeping of the worker itself."""

import time

from celery import shared_task
from django.core.cache import cache

HEARTBEAT_KEY = "worker:heartbeat"
HEARTBEAT_KEPT_S = 60


@shared_task
def heartbeat() -> None:
    """Tell ``manage.py doctor`` and the admin that beat, broker and worker all work."""
    cache.set(HEARTBEAT_KEY, int(time.time()), HEARTBEAT_KEPT_S)
