"""What a customer used: sums by day, model and key, for the pages and as files.

Calls count on the UTC day on which they were reserved, as in the quotas. Running calls are not counted yet.
"""

import csv
import datetime
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import Aggregate, Count, FloatField, Q, Sum

from billing.models import ApiKey, UsageRecord
from billing.models.plans import MICROUSD
from content import values

MOST_DAYS = 366
MJ_PER_WH = 3_600_000
ERRORS = (UsageRecord.Outcome.FAILED, UsageRecord.Outcome.REFUSED, UsageRecord.Outcome.LOST)
# What a spreadsheet takes for the beginning of a formula, some also in full width.
FORMULA_BEGINS = (*"=+-@", *"＝＋－＠", "\t", "\r", "\n")


class MedianAndP95(Aggregate):
    """Both quantiles of a column in one sort; values that are null do not count."""

    function = "percentile_cont"
    template = "%(function)s(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = ArrayField(FloatField())


MEASURES: Mapping[str, Aggregate] = {
    "calls": Count("id"),
    "aborted": Count("id", filter=Q(outcome=UsageRecord.Outcome.ABORTED)),
    "errors": Count("id", filter=Q(outcome__in=ERRORS)),
    "prompt_tokens": Sum("prompt_tokens", default=0),
    "completion_tokens": Sum("completion_tokens", default=0),
    "cost_microusd": Sum("cost_microusd", default=0),
    "gpu_ms": Sum("gpu_ms", default=0),
    "energy_mj": Sum("energy_mj", default=0),
    "first_token": MedianAndP95("first_token_ms"),
}


@dataclass(frozen=True, slots=True)
class Energy:
    """A modelled range in watt-hours."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Sums:
    """What some calls took together. Times to the first token in ms, None where no call had one."""

    calls: int = 0
    aborted: int = 0
    errors: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_microusd: int = 0
    gpu_ms: int = 0
    energy_mj: int = 0
    first_token_ms: int | None = None
    first_token_p95_ms: int | None = None

    @property
    def complete(self) -> int:
        return self.calls - self.aborted - self.errors

    @property
    def energy(self) -> Energy:
        """The range that belongs to the middle estimate: the same counted seconds at three powers."""
        watts = {level: float(values.value_of(f"watts_{level}")) for level in ("low", "mid", "high")}
        mid = self.energy_mj / MJ_PER_WH
        return Energy(*(mid * watts[level] / watts["mid"] for level in ("low", "mid", "high")))


@dataclass(frozen=True, slots=True)
class Line:
    """The sums of one day, model or key, or of one of each; what a line does not part by is empty."""

    sums: Sums
    day: datetime.date | None = None
    model: str = ""
    key: ApiKey | None = None


@dataclass(frozen=True)
class Usage:
    """One customer's calls of some UTC days, both included; of one key or model where they are given."""

    customer_id: int | None
    first: datetime.date
    last: datetime.date
    key: ApiKey | None = None
    model: str = ""

    @property
    def records(self) -> Any:
        found = UsageRecord.objects.counting().filter(customer=self.customer_id).between(self.first, self.last)
        if self.key is not None:
            found = found.filter(key=self.key)
        return found.filter(model=self.model) if self.model else found

    @cached_property
    def total(self) -> Sums:
        return _sums(self.records.aggregate(**MEASURES))

    @cached_property
    def days(self) -> list[Line]:
        """Every day of the range, also those without a call."""
        found = {line.day: line for line in self._lines("day")}
        span = (self.last - self.first).days + 1
        days = (self.first + datetime.timedelta(days=number) for number in range(span))
        return [found.get(day, Line(Sums(), day=day)) for day in days]

    @cached_property
    def models(self) -> list[Line]:
        """The dearest first."""
        return sorted(self._lines("model"), key=_dearest)

    @cached_property
    def keys(self) -> list[Line]:
        """The dearest first. A key that is gone from the ledger's side is None."""
        return sorted(self._lines("key"), key=_dearest)

    @cached_property
    def lines(self) -> list[Line]:
        """One line for each day, model and key that had calls, by day."""
        return list(self._lines("day", "model", "key"))

    def _lines(self, *by: str) -> Iterable[Line]:
        rows = list(self.records.order_by(*by).values(*by).annotate(**MEASURES))
        known: dict[int, ApiKey] = {}
        if "key" in by:
            known = ApiKey.objects.filter(customer=self.customer_id).in_bulk({row["key"] for row in rows} - {None})
        for row in rows:
            parted = {name: row.pop(name) for name in by}
            if "key" in parted:
                parted["key"] = known.get(parted["key"])
            yield replace(Line(_sums(row)), **parted)


def today(customer_id: int | None, day: datetime.date) -> Sums:
    """Return the sums of one UTC day so far."""
    return Usage(customer_id, day, day).total


def as_json(usage: Usage) -> dict[str, Any]:
    """Return the lines of a range for a program: dollars, seconds and watt-hours."""
    return {
        "from": usage.first.isoformat(),
        "to": usage.last.isoformat(),
        "lines": [_exported(line) for line in usage.lines],
        "total": _exported_sums(usage.total),
    }


def as_csv(usage: Usage) -> str:
    """Return the lines of a range for a spreadsheet, in which no word of a customer can become a formula."""
    lines = [_exported(line) for line in usage.lines]
    heads = list(_exported(Line(Sums())))
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(heads)
    writer.writerows([_cell(line[head]) for head in heads] for line in lines)
    return file.getvalue()


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_BEGINS) else value


def _exported(line: Line) -> dict[str, Any]:
    return {
        "day": line.day and line.day.isoformat(),
        "model": line.model,
        "key": line.key and line.key.name,
        "key_id": line.key and str(line.key.public_id),
        **_exported_sums(line.sums),
    }


def _exported_sums(sums: Sums) -> dict[str, Any]:
    energy = sums.energy
    return {
        "calls": sums.calls,
        "complete": sums.complete,
        "aborted": sums.aborted,
        "errors": sums.errors,
        "prompt_tokens": sums.prompt_tokens,
        "completion_tokens": sums.completion_tokens,
        "first_token_ms_median": sums.first_token_ms,
        "first_token_ms_p95": sums.first_token_p95_ms,
        "cost_usd": sums.cost_microusd / MICROUSD,
        "gpu_s": sums.gpu_ms / 1000,
        "energy_wh_low": round(energy.low, 6),
        "energy_wh_mid": round(energy.mid, 6),
        "energy_wh_high": round(energy.high, 6),
    }


def _sums(row: Mapping[str, Any]) -> Sums:
    counted = dict(row)
    median, p95 = counted.pop("first_token") or (None, None)
    return Sums(
        **counted,
        first_token_ms=None if median is None else round(median),
        first_token_p95_ms=None if p95 is None else round(p95),
    )


def _dearest(line: Line) -> tuple[int, int, str]:
    return (-line.sums.cost_microusd, -line.sums.calls, line.model)
