"""Links to standing pages that lead somewhere in every language of the site."""

from django import template
from django.conf import settings
from django.utils.translation import get_language

from content import site

register = template.Library()


@register.simple_tag
def page_address(slug: str) -> str:
    """Return the path of the page ``slug`` in the reader's language, or in the site's first where it is not there."""
    return site.page_address(slug, get_language() or settings.LANGUAGE_CODE)
