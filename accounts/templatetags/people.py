"""What the templates of account pages ask for."""

from django import template

from accounts import pages

register = template.Library()


@register.simple_tag
def account_sections() -> list[pages.Section]:
    """Return the pages of the account for the navigation."""
    return pages.sections()
