"""Prices as people of the page's language write them."""

from django import template

from billing.models.plans import MICROUSD
from billing.templatetags.money import usd

register = template.Library()


@register.filter
def dollars(value: float | None) -> str:
    """Return US dollars with two decimals, and with more where there are some."""
    return usd(None if value is None else round(value * MICROUSD))
