"""Each quota against the sum of its lines, every night: a difference is a fault of ours, and somebody must hear of it.

One statement reads both sides from one snapshot, so calls that run meanwhile make no difference. What is found is a
``Reconciliation`` and not public evidence: it would tell everybody how many customers there are.
"""

import datetime
import logging
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection

from billing.models import Reconciliation, UsageRecord

logger = logging.getLogger(__name__)
KIND = "ledger"
MOST_DETAILS = 100
DELETED_AT_ONCE = 10_000

# A line counts in four windows: its day and its month, for the customer (key 0) and for its key. The line of a key that
# was deleted with its owner's account has none any more.
COMPARED = """
WITH sums AS (
  SELECT u.customer_id, w.key, w.name, w.starts,
         sum(u.cost_microusd) FILTER (WHERE u.state <> 'reserved') AS spent_microusd,
         sum(u.reserved_microusd) FILTER (WHERE u.state = 'reserved') AS reserved_microusd,
         sum(u.gpu_ms) FILTER (WHERE u.state <> 'reserved') AS spent_gpu_ms,
         sum(u.reserved_gpu_ms) FILTER (WHERE u.state = 'reserved') AS reserved_gpu_ms
    FROM billing_usagerecord u
   CROSS JOIN LATERAL (VALUES (0::bigint, 'day', u.day), (0, 'month', date_trunc('month', u.day)::date),
                              (u.key_id, 'day', u.day), (u.key_id, 'month', date_trunc('month', u.day)::date)
                      ) AS w(key, name, starts)
   WHERE u.day >= %(first)s AND w.key IS NOT NULL
   GROUP BY 1, 2, 3, 4
), pairs AS (
  SELECT COALESCE(q.customer_id, s.customer_id) AS customer_id, COALESCE(q.key, s.key) AS key,
         COALESCE(q."window", s.name) AS name, COALESCE(q.starts, s.starts) AS starts,
         ARRAY[COALESCE(q.spent_microusd, 0), COALESCE(q.reserved_microusd, 0),
               COALESCE(q.spent_gpu_ms, 0), COALESCE(q.reserved_gpu_ms, 0)]::bigint[] AS quota,
         ARRAY[COALESCE(s.spent_microusd, 0), COALESCE(s.reserved_microusd, 0),
               COALESCE(s.spent_gpu_ms, 0), COALESCE(s.reserved_gpu_ms, 0)]::bigint[] AS lines
    FROM (SELECT * FROM billing_quota WHERE starts >= %(first)s) q
    FULL JOIN sums s ON s.customer_id = q.customer_id AND s.key = q.key AND s.name = q."window" AND s.starts = q.starts
)
SELECT c.public_id, p.key, p.name, p.starts, p.quota, p.lines,
       count(*) OVER () AS compared, count(*) FILTER (WHERE p.differs) OVER () AS differing,
       max(p.difference) OVER () AS difference, p.differs
  FROM (SELECT *, quota <> lines OR 0 > ANY (quota) OR 0 > ANY (lines) AS differs,
               GREATEST(abs(quota[1] - lines[1]), abs(quota[2] - lines[2])) AS difference
          FROM pairs) p
  JOIN billing_customer c ON c.id = p.customer_id
 ORDER BY p.differs DESC, p.starts, p.customer_id, p.key
 LIMIT %(most)s
"""
COUNTED = ("spent_microusd", "reserved_microusd", "spent_gpu_ms", "reserved_gpu_ms")


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many quotas were looked at, how many differ from their lines, and the first of those."""

    compared: int
    differing: int
    difference_microusd: int
    details: list[dict[str, Any]]


def compare(first: datetime.date) -> Comparison:
    """Compare the windows that begin on ``first``, the first day of a month, or later."""
    with connection.cursor() as cursor:
        cursor.execute(COMPARED, {"first": first, "most": MOST_DETAILS})
        rows = cursor.fetchall()
    if not rows:
        return Comparison(0, 0, 0, [])
    compared, differing, difference = rows[0][6:9]
    details = [
        {
            "customer": str(public_id),
            "key": key,
            "window": window,
            "starts": starts.isoformat(),
            "quota": dict(zip(COUNTED, quota, strict=True)),
            "lines": dict(zip(COUNTED, lines, strict=True)),
        }
        for public_id, key, window, starts, quota, lines, *_sums, differs in rows
        if differs
    ]
    return Comparison(compared, differing, difference, details)


def check(now: datetime.datetime, *, everything: bool = False) -> Reconciliation:
    """Compare this month and the one before, or all that is kept, write down what was found and return it."""
    found = compare(_first_kept(now) if everything else _month_before(now.date()))
    if found.differing:
        logger.error("%d of %d quotas differ from their lines", found.differing, found.compared)
    return Reconciliation.objects.create(
        day=now.date(),
        kind=KIND,
        compared=found.compared,
        differing=found.differing,
        difference_microusd=found.difference_microusd,
        details=found.details,
    )


def check_once_a_day(now: datetime.datetime) -> Reconciliation | None:
    """Check unless this UTC day has been; None when it has."""
    if Reconciliation.objects.filter(kind=KIND, day=now.date()).exists():
        return None
    return check(now)


def last() -> Reconciliation | None:
    """Return the newest check."""
    return Reconciliation.objects.filter(kind=KIND).order_by("-id").first()


def delete_old_lines(now: datetime.datetime) -> int:
    """Delete the lines that are ``USAGE_KEPT_DAYS`` old; their sums stay in the quotas. Returns how many."""
    before = now.date() - datetime.timedelta(days=settings.USAGE_KEPT_DAYS)
    old = UsageRecord.objects.counting().filter(day__lt=before)
    deleted = 0
    while pks := list(old.order_by("id").values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        deleted += UsageRecord.objects.filter(pk__in=pks).delete()[0]
    if deleted:
        logger.info("%d usage records of before %s deleted", deleted, before)
    return deleted


def _month_before(day: datetime.date) -> datetime.date:
    return (day.replace(day=1) - datetime.timedelta(days=1)).replace(day=1)


def _first_kept(now: datetime.datetime) -> datetime.date:
    """Return the first day of the first month of which no line was deleted."""
    oldest = now.date() - datetime.timedelta(days=settings.USAGE_KEPT_DAYS)
    return oldest if oldest.day == 1 else (oldest.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
