"""The last 30 days on the first page of the admin: seconds of the GPU by class, answers by rung."""

import datetime
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db import models, transaction
from django.db.models import Sum
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from content import charts
from inference import gpu_ledger, gpu_limits, gpu_plans
from inference.models import AnswerTally, AskerClass, GpuLedgerEntry, Rung

logger = logging.getLogger(__name__)
DAYS = 30


def drawn() -> list[SafeString]:
    """Return the charts as figures; one that cannot be drawn is left out, and the log says why."""
    found = []
    for draw in (gpu_seconds, answers):
        try:
            with transaction.atomic():
                found.append(draw())
        except Exception as error:
            logger.warning("a chart was not drawn (%s)", type(error).__name__)
    return found


def gpu_seconds() -> SafeString:
    """Draw the seconds of each day by class, under the day's limit."""
    days = _last_days()
    rows = GpuLedgerEntry.objects.since(days[0]).order_by().values_list("day", "asker_class")
    series = _series(rows.annotate(total=Sum("seconds")), days, AskerClass)
    limit = next(cap.seconds for cap in gpu_limits.caps([gpu_limits.Scope.ALL]) if cap.window == gpu_limits.Window.DAY)
    return charts.stacked_bars(
        _labels(days), series, name="gpu-days", title=_("GPU seconds in the last 30 days"), unit="s", limit=limit
    )


def answers() -> SafeString:
    """Draw the answers of each day by rung."""
    days = _last_days()
    rows = AnswerTally.objects.filter(day__gte=days[0]).order_by().values_list("day", "rung")
    series = _series(rows.annotate(total=Sum("answers")), days, Rung)
    return charts.stacked_bars(_labels(days), series, name="rung-days", title=_("Answers in the last 30 days by rung"))


def _series(
    rows: Iterable[tuple[datetime.date, str, int]], days: Sequence[datetime.date], kinds: type[models.TextChoices]
) -> dict[str, list[float]]:
    """Return one list for each kind, a zero where a day has none. Nothing is drawn below zero."""
    found: defaultdict[tuple[datetime.date, str], int] = defaultdict(int)
    for day, kind, total in rows:
        found[day, kind] = max(0, total)
    return {str(kind.label): [float(found[day, kind.value]) for day in days] for kind in kinds}


def _last_days() -> list[datetime.date]:
    today = gpu_plans.utc_day(gpu_ledger.database_now())
    return [today - datetime.timedelta(days=back) for back in reversed(range(DAYS))]


def _labels(days: Sequence[datetime.date]) -> list[str]:
    return [date_format(day, "j N") for day in days]
