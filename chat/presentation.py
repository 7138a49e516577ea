"""Answers as HTML, for readers without script: built by escaping, never by trusting."""

from typing import Any

import msgspec
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from chat.events import Event


def answer_of(events: list[Event]) -> dict[str, Any]:
    """Return what a template shows of a finished answer: its rung, sources, receipt and text."""
    done = events[-1]
    sources: list[dict[str, Any]] = next((event["sources"] for event in events if event["type"] == "sources"), [])
    return {
        "rung": done["rung"],
        "receipt": done["receipt"],
        "sources": sources,
        "check": done["receipt"]["check"],
        "notice": done.get("notice"),
        "contact": done.get("contact"),
        "html": html_of(done["tree"]),
        "text": "".join(event["text"] for event in events if event["type"] == "delta"),
        "seal": done.get("seal"),
    }


def sealed_answer(question: str, answer: dict[str, Any]) -> str:
    """Return an answer as one field of a form: everything its seal was made over, and the seal. "" without one.

    JSON, because browsers change the line ends of what a form sends, and a seal bears no change.
    """
    if not answer.get("seal"):
        return ""
    receipt = answer["receipt"]
    sealed = {
        "question": question,
        "text": answer["text"],
        "passages": receipt.get("passages", []),
        "receipt": receipt,
        "seal": answer["seal"],
    }
    return msgspec.json.encode(sealed).decode()


def html_of(nodes: list[Any]) -> SafeString:
    """Return the HTML of a tree of ``chat.tree``: its tags are allow-listed there, everything else is escaped here."""
    return mark_safe("".join(_html(node) for node in nodes))  # noqa: S308 - every part is escaped below


def _html(node: Any) -> str:
    if isinstance(node, str):
        return escape(node)
    tag, attributes, *children = node
    shown = "".join(format_html(' {}="{}"', name, value) for name, value in attributes.items())
    if tag == "br":
        return "<br>"
    return f"<{tag}{shown}>{html_of(children)}</{tag}>"
