"""The Celery application: tasks carry ids, never text."""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteproject.settings")

app = Celery("siteproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["compliance", "accounts", "billing", "inference", "chat"])
app.conf.beat_schedule = {
    "probe-backends": {"task": "inference.tasks.probe_backends", "schedule": settings.PROBE_S},
    "worker-heartbeat": {"task": "siteproject.tasks.heartbeat", "schedule": 10.0},
    "sweep-expired": {"task": "chat.tasks.sweep_expired", "schedule": settings.RETENTION_SWEEP_S},
    "people-sweep": {"task": "accounts.tasks.sweep", "schedule": settings.JOB_SWEEP_S},
    "people-tidy": {"task": "accounts.tasks.tidy", "schedule": 3600.0},
    "billing-sweep": {"task": "billing.tasks.sweep", "schedule": settings.BILLING_SWEEP_S},
    "billing-alert": {"task": "billing.tasks.alert", "schedule": 60.0},
    "billing-tidy": {"task": "billing.tasks.tidy", "schedule": 3600.0},
    "billing-meter": {"task": "billing.tasks.meter", "schedule": settings.BILLING_METER_S},
    "billing-reconcile": {"task": "billing.tasks.reconcile", "schedule": 900.0},
    "billing-check": {"task": "billing.tasks.check_ledger", "schedule": 900.0},
    "check-chains": {"task": "compliance.tasks.check_chains", "schedule": 900.0},
    "sync-search": {"task": "siteproject.tasks.sync_search", "schedule": 30.0},
}
app.autodiscover_tasks(["siteproject"])


@worker_ready.connect
def first_look(sender: Any = None, **_kwargs: Any) -> None:
    """Beat waits a whole period before its first round; nobody should read *unknown* for that long."""
    for entry in app.conf.beat_schedule.values():
        app.send_task(entry["task"])
