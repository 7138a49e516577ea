"""What a thousand simulated months say together: quantiles of cost, shares of questions, a drawing."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from content import charts
from inference.forecast import DAYS, Month, simulate
from inference.forecast_assumptions import Assumptions
from inference.forecast_ledger import Cap, Scope, Window


@dataclass(frozen=True, slots=True)
class Forecast:
    """Simulated months under one set of assumptions and caps. ``bases_usd`` is what the machine cost in each."""

    assumed: Assumptions
    caps: list[Cap]
    seed: int
    months: list[Month]
    bases_usd: list[float]


def run(assumed: Assumptions, caps: list[Cap], *, months: int, seed: int) -> Forecast:
    """Simulate so many months. The same seed gives the same months."""
    chance = random.Random(seed)  # noqa: S311  # dice, not keys
    width = assumed.base_usd * assumed.base_spread
    bases = [assumed.base_usd + chance.uniform(-width, width) for _month in range(months)]
    return Forecast(assumed, caps, seed, [simulate(assumed, caps, chance) for _month in range(months)], bases)


def summary(forecast: Forecast) -> dict[str, Any]:
    """Return the figures as JSON can hold them. Money in US dollars a month, shares from 0 to 1."""
    assumed, months = forecast.assumed, forecast.months
    items = _usd_by_item(forecast)
    totals = [math.fsum(parts) for parts in zip(*items.values(), strict=True)]
    hours = [month.billed_s / 3600 for month in months]
    questions = sum(month.questions for month in months)
    on_cpu = sum((month.left_on_cpu for month in months), Counter[str]())
    bound = Counter(cap for month in months for cap in month.bound)
    waits = sorted(itertools.chain.from_iterable(month.waits_s for month in months))
    upgraded = sum(month.upgraded for month in months)
    return {
        "months": len(months),
        "seed": forecast.seed,
        "usd_p50": quantile(totals, 0.5, 2),
        "usd_p95": quantile(totals, 0.95, 2),
        "usd_max": round(max(totals), 2),
        "usd_limit": assumed.limit_usd,
        "p_above_limit": _share(sum(total >= assumed.limit_usd for total in totals), len(months)),
        "usd_by_item": {
            item: {"p50": quantile(usd, 0.5, 2), "p95": quantile(usd, 0.95, 2)} for item, usd in items.items()
        },
        "gpu_hours_p50": quantile(hours, 0.5, 2),
        "gpu_hours_p95": quantile(hours, 0.95, 2),
        "gpu_hours_cap": round(_month_cap_s(forecast) / 3600, 2),
        "cap_overruns": sum(_overran(month, _month_cap_s(forecast)) for month in months),
        "p_cap_binds": _share(sum(bool(month.bound) for month in months), len(months)),
        "p_binds_by_cap": {cap: _share(count, len(months)) for cap, count in sorted(bound.items())},
        "wakes_p50": quantile([month.wakes for month in months], 0.5),
        "questions_p50": quantile([month.questions for month in months], 0.5),
        "share_on_cpu": _share(questions - upgraded, questions),
        "share_on_cpu_by_reason": {reason: _share(count, questions) for reason, count in sorted(on_cpu.items())},
        "share_waited": _share(len(waits), questions),
        "wait_s_p50": quantile(waits, 0.5, 1),
        "wait_s_p95": quantile(waits, 0.95, 1),
        "share_under_tight_budget": _share(sum(month.tight for month in months), questions),
        "caps": [asdict(cap) for cap in forecast.caps],
        "assumptions": {
            name: {"value": value, "source": Assumptions.sources()[name], "what": Assumptions.hints()[name]}
            for name, value in asdict(assumed).items()
        },
    }


def drawing(forecast: Forecast) -> SafeString:
    """Return the cost of a month as it adds up, from the cheap months to the dear ones, with its table."""
    share = forecast.assumed.usd_per_gpu_hour / 3600
    fixed = [
        (base + sum(usd[place] for item, usd in _usd_by_item(forecast).items() if item in ("mail", "storage"))) / DAYS
        for place, base in enumerate(forecast.bases_usd)
    ]
    by_month = [
        list(itertools.accumulate(daily + seconds * share for seconds in month.billed_by_day_s))
        for daily, month in zip(fixed, forecast.months, strict=True)
    ]
    days = list(zip(*by_month, strict=True))
    low, middle, high = ([quantile(day, part, 2) for day in days] for part in (0.05, 0.5, 0.95))
    return charts.quantile_band(
        [str(day) for day in range(1, DAYS + 1)],
        low,
        middle,
        high,
        name="forecast",
        title=_("What a month may cost, day by day"),
        columns=(_("1 in 20 below"), _("half below"), _("19 in 20 below")),
        unit=_("US dollars"),
        limit=forecast.assumed.limit_usd,
        decimals=2,
    )


def quantile(values: Sequence[float], part: float, decimals: int = 0) -> float:
    """Return the nearest-rank quantile: a value that occurred, never one between two. 0 of nothing."""
    if not values:
        return 0.0
    return round(float(sorted(values)[max(0, math.ceil(part * len(values)) - 1)]), decimals)


def _usd_by_item(forecast: Forecast) -> dict[str, list[float]]:
    assumed, count = forecast.assumed, len(forecast.months)
    sign_ins = assumed.sign_ins_per_day * DAYS
    stored = assumed.sign_ins_per_day * assumed.questions_per_visitor * assumed.retention_days
    return {
        "base": forecast.bases_usd,
        "gpu": [month.billed_s / 3600 * assumed.usd_per_gpu_hour for month in forecast.months],
        "mail": [sign_ins / 1000 * assumed.usd_per_1000_mails] * count,
        "storage": [stored * assumed.kb_per_answer / 1e6 * assumed.usd_per_gb_month] * count,
    }


def _month_cap_s(forecast: Forecast) -> float:
    return min(
        (cap.seconds for cap in forecast.caps if (cap.scope, cap.window) == (Scope.ALL, Window.MONTH)), default=math.inf
    )


def _overran(month: Month, cap_s: float) -> bool:
    """Return whether a month broke a promise: its bill against the cap, each window, each wake against its cover."""
    return month.billed_s > cap_s or month.overrun or month.uncovered > 0


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0
