"""What about the large tier needs an operator now."""

import datetime

from django.conf import settings
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from compliance.alarms import alarm
from inference.models import Wake


@alarm("gpu-awake")
def still_awake() -> list[str | Promise]:
    """A backend that should sleep and does not: it costs money, and nothing of ours can stop it."""
    # A machine that cannot be told to sleep takes its own time.
    by_itself_s = settings.LLM_GPU_PROVIDER_LIMIT_S if settings.LLM_GPU_DRIVER == "wake_url" else 0.0
    since = Now() - datetime.timedelta(seconds=settings.LLM_GPU_SWITCH_S + by_itself_s)
    stuck = Wake.objects.filter(state=Wake.State.SLEEPING, sleeping_at__lt=since)
    return [
        _("The large model should be asleep and its provider does not confirm it. Stop it by hand: %(backend)s.")
        % {"backend": row.backend}
        for row in stuck
    ]


@alarm("gpu-untended")
def untended() -> list[str | Promise]:
    """An open wake that neither the worker nor the switch tends."""
    since = Now() - datetime.timedelta(seconds=2 * settings.LLM_GPU_SWITCH_S)
    rows = Wake.objects.filter(state__in=Wake.OPEN, requested_at__lt=since).exclude(heartbeat_at__gt=since)
    return [
        _("The large model is awake and nobody looks after it: %(backend)s.") % {"backend": r.backend} for r in rows
    ]
