"""What machines read about the site: ``llms.txt`` and ``ai.txt``, made from the same files as the pages."""

from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from content.library import address, library


def llms_txt() -> str:
    """Return the list of our documents in Markdown, in the shape of llmstxt.org: title, summary, links."""
    lines = [f"# {settings.SITE_NAME}", ""]
    with translation.override("en"):
        lines += [
            "> " + _("A frugal, sovereign AI website: answers come from its own pages and a small open model."),
            "",
        ]
    for code, name in settings.LANGUAGES:
        lines += [f"## {name}", ""]
        lines += [
            f"- [{document.meta.title}]({settings.SITE_URL}{address(document)}): {document.meta.description}"
            for document in library().documents
            if document.published and document.language == code
        ]
        lines.append("")
    return "\n".join(lines)


def ai_txt() -> str:
    """Return what is true about this site in plain sentences, passage by passage, each with its address."""
    lines = [f"Site: {settings.SITE_URL}", f"Name: {settings.SITE_NAME}", f"List: {settings.SITE_URL}/llms.txt", ""]
    for document in library().documents:
        if not document.published:
            continue
        for section in library().body(document).sections:
            lines += [
                f"[{document.language}] {document.meta.title}: {section.heading}",
                section.text,
                f"Source: {settings.SITE_URL}{address(document, section.anchor)}",
                "",
            ]
    return "\n".join(lines)
