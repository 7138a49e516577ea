"""What the first page of the admin shows above the lists."""

from typing import Any

from django import template

from compliance import alarms
from siteproject import admin_charts, admin_home

register = template.Library()


@register.inclusion_tag("admin/_today.html", takes_context=True)
def todays_page(context: dict[str, Any]) -> dict[str, Any]:
    """Show what needs somebody, the facts of the day, and the last 30 days."""
    return {
        "alarms": alarms.active(),
        "facts": admin_home.today(context["request"].user),
        "charts": admin_charts.drawn(),
    }
