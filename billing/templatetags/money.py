"""Sums, times and counts as people of the page's language write them."""

from decimal import Decimal

from django import template
from django.utils.formats import number_format

from billing.models.plans import MICROUSD

register = template.Library()
ALWAYS, SMALL, LARGE = 2, 6, 4  # decimals of a sum: at least, below a cent, from a cent on
CENT = Decimal("0.01")
UNIT_GAP = "\N{NO-BREAK SPACE}"


@register.filter
def usd(microusd: int | None) -> str:
    """Return millionths of a dollar as dollars: exact below a cent, to a hundredth of a cent from there on."""
    if microusd is None:
        return "–"
    sum_usd = Decimal(microusd) / MICROUSD
    decimals = SMALL if abs(sum_usd) < CENT else LARGE
    digits = f"{sum_usd:.{decimals}f}"
    while decimals > ALWAYS and digits.endswith("0"):
        digits, decimals = digits[:-1], decimals - 1
    return f"{number_format(Decimal(digits), decimal_pos=decimals, force_grouping=True)}{UNIT_GAP}USD"


@register.filter
def cents(amount: int | None) -> str:
    """Return hundredths of a currency's unit as that unit, two decimals, without its name."""
    return number_format(Decimal(amount or 0) / 100, decimal_pos=2, force_grouping=True)


@register.filter
def seconds(ms: int | None) -> str:
    """Return milliseconds as seconds, with a decimal below ten."""
    if ms is None:
        return "–"
    decimals = 1 if 0 < ms < 10_000 else 0
    return f"{number_format(round(Decimal(ms) / 1000, decimals), decimal_pos=decimals, force_grouping=True)}{UNIT_GAP}s"


@register.filter
def count(number: int | None) -> str:
    """Return a whole number with its groups of three; a dash for none."""
    return "–" if number is None else number_format(number, decimal_pos=0, force_grouping=True)


@register.filter
def watt_hours(wh: float) -> str:
    """Return watt-hours with three significant places below one."""
    decimals = 1 if wh >= 10 else 2 if wh >= 1 else 5 if wh < 0.01 else 3
    return number_format(round(wh, decimals), decimal_pos=decimals, force_grouping=True)
