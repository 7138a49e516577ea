"""How flags are dealt with, in figures without text: for the staff's first page and for the transparency page."""

import datetime
from dataclasses import dataclass

from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Min, Q
from django.db.models.functions import Now

from chat.models import Correction, Flag


@dataclass(frozen=True, slots=True)
class Figures:
    """Flags open now, and what happened to flags in the last ``days`` days. Durations are None where nothing was
    decided; ``upheld_share`` is 0 to 1."""

    days: int
    open: int
    oldest_open: datetime.timedelta | None
    received: int
    decided: int
    upheld: int
    median_to_decision: datetime.timedelta | None
    p90_to_decision: datetime.timedelta | None
    withdrawn: int  # by the sender, before a decision
    lapsed: int  # nobody decided before the texts expired
    corrections_served: int

    @property
    def upheld_share(self) -> float | None:
        return self.upheld / self.decided if self.decided else None


class _Percentile(Aggregate):
    """The value that a share of the rows do not exceed, between two rows in proportion (SQL:2003, continuous)."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(%(share)s) WITHIN GROUP (ORDER BY %(expressions)s)"
    allow_distinct = False


def figures(days: int = 30) -> Figures:
    """Return the figures of the last ``days`` days, by the database's clock."""
    since = Now() - datetime.timedelta(days=days)
    taken = ExpressionWrapper(F("decided_at") - F("created_at"), output_field=DurationField())
    # The finding stays when a sender deletes the texts of a flag that was decided.
    decided = Flag.objects.filter(decided_at__gt=since).exclude(finding="")
    of_decided = decided.aggregate(
        count=Count("pk"),
        upheld=Count("pk", filter=Q(finding__in=Flag.UPHOLDING)),
        median=_Percentile(taken, share=0.5, output_field=DurationField()),
        p90=_Percentile(taken, share=0.9, output_field=DurationField()),
    )
    waiting = Flag.objects.open().aggregate(count=Count("pk"), age=Now() - Min("created_at"))
    undecided = Flag.objects.filter(decided_at=None)
    return Figures(
        days=days,
        open=waiting["count"],
        oldest_open=waiting["age"],
        received=Flag.objects.filter(created_at__gt=since).count(),
        decided=of_decided["count"],
        upheld=of_decided["upheld"],
        median_to_decision=of_decided["median"],
        p90_to_decision=of_decided["p90"],
        withdrawn=undecided.filter(state=Flag.State.WITHDRAWN, emptied_at__gt=since).count(),
        # An open flag past its time has lapsed, whether or not the sweeper has been there.
        lapsed=undecided.filter(
            state__in=[Flag.State.OPEN, Flag.State.LAPSED], expires_at__gt=since, expires_at__lte=Now()
        ).count(),
        corrections_served=Correction.objects.served().count(),
    )


def lapsing_within(time: datetime.timedelta) -> int:
    """Return how many open flags nobody can decide any more after ``time``."""
    return Flag.objects.open().filter(expires_at__lte=Now() + time).count()
