"""What the GPU budget wants an operator to know."""

import datetime

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext

from compliance.alarms import alarm
from inference import gpu_limits, gpu_plans
from inference.models import GpuLedgerEntry

BILL_KEPT = datetime.timedelta(days=7)


@alarm("gpu-bill")
def bill_alarm() -> list[str | Promise]:
    """Say for a week that a provider billed more than was reserved: one of the timers has not held."""
    since = timezone.now() - BILL_KEPT
    wakes = GpuLedgerEntry.objects.filter(kind=GpuLedgerEntry.Kind.CORRECTED, seconds__gt=0, at__gte=since)
    seconds = sum(wakes.values_list("seconds", flat=True))
    if not seconds:
        return []
    text = gettext("In the last 7 days %(seconds)d GPU seconds more were billed than were reserved.")
    return [text % {"seconds": seconds}]


@alarm("gpu-limits")
def limits_alarm() -> list[str | Promise]:
    """Say that no wake can ever fit, or that one class could spend what is kept for another."""
    found: list[str | Promise] = []
    longest = gpu_plans.hard_limit_s()
    least = min(cap.seconds for cap in gpu_limits.caps([gpu_limits.Scope.ALL, gpu_limits.Scope.PERSON]))
    if 0 < least < longest:  # 0 is somebody's word that it shall not wake
        text = gettext(
            "One wake reserves %(longest)d GPU seconds and %(limit)d are allowed: the large model never wakes."
        )
        found.append(text % {"longest": longest, "limit": least})
    for window in gpu_limits.Window:
        if gpu_limits.above_everybody(window):
            text = gettext("The classes together may spend more GPU seconds in a %(window)s than everybody may.")
            found.append(text % {"window": window.label})
    return found
