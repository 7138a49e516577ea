"""Our own Markdown as HTML. Raw HTML in a file is shown as text: pages are written in Markdown alone."""

import re
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

from content.documents import Document

_markdown = MarkdownIt("commonmark", {"html": False, "typographer": True}).enable("table")
HEADING = re.compile(r"^##\s+.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class SectionHtml:
    slug: str
    heading: str
    html: SafeString


def section_html(document: Document) -> list[SectionHtml]:
    """Return each section of a document with its text as HTML, in order."""
    bodies = HEADING.split(document.body)[1:]
    return [
        SectionHtml(section.slug, section.heading, mark_safe(_markdown.render(body)))  # noqa: S308 - html is off
        for section, body in zip(document.sections, bodies, strict=True)
    ]
