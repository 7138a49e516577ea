"""The words of the box that keeps chats, the very ones that are recorded with a consent."""

from django import template
from django.utils.translation import get_language

from chat.consent import wording

register = template.Library()


@register.simple_tag
def keep_chats_wording() -> str:
    """Return the sentence beside the box, in the language of the page."""
    return wording(get_language() or "en")
