"""What a form carries so that an answer can be flagged without script."""

from typing import Any

from django import template

from chat import presentation

register = template.Library()


@register.simple_tag
def sealed_answer(question: str, answer: dict[str, Any]) -> str:
    """Return an answer with its seal as one field of a form, "" where it has none."""
    return presentation.sealed_answer(question, answer) if question else ""
