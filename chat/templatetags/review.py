"""Foreign text on the staff's screens."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from chat.moderation.unseen import pieces

register = template.Library()


@register.filter
def foreign(text: str) -> SafeString:
    """Return somebody's text as text alone: apart from the direction of what is around it, what it hides in sight."""
    parts = format_html_join(
        "",
        "{}",
        (
            (format_html('<mark class="unseen">{}</mark>', piece.text) if piece.unseen else piece.text,)
            for piece in pieces(text)
        ),
    )
    return format_html("<bdi>{}</bdi>", parts)
