"""Texts that machines read about the site, made from the same files as the pages."""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from django.conf import settings
from django.templatetags.static import static
from django.utils import translation
from django.utils.translation import gettext as _

from content.bodies import is_diagram
from content.documents import KINDS, Document
from content.head import absolute
from content.library import address, content_digest, languages, library
from content.markdown import VALUE
from content.site import path_of, posts, public_pages, topic_name
from content.values import filled_in_code, text_of

# Paths of the application: forms, one person's answers, live figures. Nothing there is for finding.
NOT_FOR_CRAWLERS = ("/api/", "/ws/", "/v1/", "/live/", "/accounts/", "/account/", "/admin/", "/health")

FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
# What may not stay as it is outside a fence: a link or a picture, a value; a span of code may, whatever is in it.
INLINE = re.compile(
    r"(?P<picture>!?)\[(?P<words>(?:[^\[\]]|\[[^\[\]]*\])*)\]"
    r'\((?P<target>[^)\s]+)(?: "(?P<caption>[^"]*)")?\)'
    r"|(?P<code>(?P<marks>`+)(?!`).+?(?<!`)(?P=marks)(?!`))"
    rf"|{VALUE.pattern.replace('(', '(?P<value>', 1)}",
    re.DOTALL,
)


@lru_cache(maxsize=64)
def _made(make: Callable[..., str], arguments: tuple[str, ...], _digest: str) -> str:
    return make(*arguments)


def made(make: Callable[..., str], *arguments: str) -> str:
    """Return ``make(*arguments)``, made once as long as the content and the values it quotes stay the same."""
    return _made(make, arguments, content_digest())


def robots_txt() -> str:
    """Return what crawlers may read: every public page. No crawler is named, so the same holds for all."""
    lines = [
        "# Crawlers of search engines and of AI alike may read every public page; none is shut out.",
        "# The texts and the code in this site's repository are under the Apache License 2.0.",
        f"# The same in a form for language models: {absolute('/llms.txt')}",
        "User-agent: *",
        *(f"Disallow: {path}" for path in NOT_FOR_CRAWLERS),
        "",
        f"Sitemap: {absolute('/sitemap.xml')}",
    ]
    return "\n".join(lines) + "\n"


def llms_txt() -> str:
    """Return the list of our documents in Markdown, in the shape of llmstxt.org: title, summary, lists of links."""
    lines = _heading()
    for code, name in settings.LANGUAGES:
        for kind, documents in _documents(code):
            with translation.override(code):
                lines += [f"## {_kind_name(kind)} ({name})", ""]
            lines += [
                f"- [{_label(document.meta.title)}]({absolute(address(document))}): {document.meta.description}"
                for document in documents
            ]
            lines.append("")
    lines += [
        "## Optional",
        "",
        f"- [llms-full.txt]({absolute('/llms-full.txt')}): the whole text of all of these",
        f"- [ai.txt]({absolute('/ai.txt')}): the same, passage by passage, each with its address",
        f"- [sitemap.xml]({absolute('/sitemap.xml')}): every public page",
        *(f"- [feed.xml ({code})]({absolute(path_of('content:feed', code))}): new posts" for code in languages()),
    ]
    return "\n".join(lines) + "\n"


def llms_full_txt() -> str:
    """Return everything published as Markdown, with values and addresses filled in."""
    texts = _heading()
    for code in languages():
        paths = paths_in(code)
        texts += [markdown_of(document, paths) for _kind, documents in _documents(code) for document in documents]
    return "\n".join(texts)


def ai_txt() -> str:
    """Return what is true about this site in plain sentences, passage by passage, each with its address."""
    lines = [f"Site: {settings.SITE_URL}", f"Name: {settings.SITE_NAME}", f"List: {absolute('/llms.txt')}", ""]
    for code in languages():
        for _kind, documents in _documents(code):
            for document in documents:
                for section in library().body(document).sections:
                    lines += [
                        f"[{document.language}] {document.meta.title}: {section.heading}",
                        section.text,
                        f"Source: {absolute(address(document, section.anchor))}",
                        "",
                    ]
    return "\n".join(lines)


def webmanifest() -> dict[str, object]:
    """Return the web app manifest. Its addresses are paths: they must be of the origin that the page was read from."""
    with translation.override(languages()[0]):
        description = _(
            "A small assistant that shows its source before its answer, and says which model wrote what, "
            "on which machine, at what cost."
        )
    return {
        "id": "/",
        "name": settings.SITE_NAME,
        "short_name": settings.SITE_NAME,
        "description": description,
        "lang": languages()[0],
        "dir": "ltr",
        "start_url": "/",
        "scope": "/",
        "display": "minimal-ui",
        "background_color": "#f2f4f1",
        "theme_color": "#f2f4f1",
        "icons": [
            {"src": static("icons/favicon.svg"), "sizes": "any", "type": "image/svg+xml"},
            *(
                {"src": static(f"icons/icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"}
                for size in (192, 512)
            ),
            {
                "src": static("icons/icon-maskable-512.png"),
                "sizes": "512x512",
                "type": "image/png",
                "purpose": "maskable",
            },
        ],
    }


def paths_in(language: str) -> dict[str, str]:
    """Return the paths of public pages in a language by those in the first one, which authors write."""
    first = languages()[0]
    return {
        page.alternates[first]: page.path
        for page in public_pages()
        if page.language == language and first in page.alternates
    }


def markdown_of(document: Document, paths: dict[str, str]) -> str:
    """Return a document as Markdown that can be read alone: what its front matter says, then its text."""
    meta = document.meta
    topics = ", ".join(topic_name(topic, document.language) for topic in meta.topics)
    written = "with the help of an AI" if meta.ai_assisted else "without AI"
    reviewed = f"by {meta.reviewed_by}" if meta.reviewed_by else "not yet by a named person"
    lines = [
        f"# {meta.title}",
        "",
        f"> {meta.description}",
        "",
        f"Address: {absolute(address(document))}",
        f"Language: {document.language}. Updated: {meta.updated.isoformat()}. Topics: {topics}.",
        f"Written: {written}. Reviewed: {reviewed}.",
        "",
    ]
    with translation.override(document.language):
        lines.append(_filled_in(document, paths))  # values are written as its readers write them
    for question in getattr(meta, "questions", []):
        lines += [f"**{question.ask[0]}** {' '.join(question.answer.split())}", ""]
    return "\n".join(lines)


def _heading() -> list[str]:
    with translation.override(languages()[0]):
        summary = _("A frugal, sovereign AI website: answers come from its own pages and a small open model.")
        note = _("Every text says whether an AI helped to write it, and who reviewed it.")
    return [f"# {settings.SITE_NAME}", "", f"> {summary}", "", note, ""]


def _documents(language: str) -> Iterator[tuple[str, list[Document]]]:
    """Yield the kinds of which something is published, with it; a text that has a problem waits until it is mended."""
    for kind in KINDS:
        found = posts(language) if kind == "posts" else library().published(kind, language)
        sound = [document for document in found if not library().body(document).problems]
        if sound:
            yield kind, sound


def _kind_name(kind: str) -> str:
    return {"pages": _("Pages"), "posts": _("Posts"), "knowledge": _("Knowledge")}[kind]


def _label(title: str) -> str:
    return title.replace("[", "\\[").replace("]", "\\]")


def _filled_in(document: Document, paths: dict[str, str]) -> str:
    """Return the document's Markdown with values instead of their names, and absolute links; code stays as it is."""
    blocks: list[str] = []
    fence, text = "", ""
    for line in document.text.splitlines(keepends=True):
        mark = FENCE.match(line)
        if not fence and mark:
            blocks.append(_prose(text, document, paths))
            fence, text = mark[1], line
        elif fence and mark and mark[1].startswith(fence) and not line.strip().strip(mark[1][0]):
            blocks.append(filled_in_code(text + line))
            fence, text = "", ""
        else:
            text += line
    return "".join([*blocks, text if fence else _prose(text, document, paths)]).strip() + "\n"


def _prose(text: str, document: Document, paths: dict[str, str]) -> str:
    """Return Markdown outside fences with its links and values filled in."""

    def filled_in(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        return _value(found) if found["value"] else link(found)

    def link(found: re.Match[str]) -> str:
        words, target = _prose(found["words"], document, paths), found["target"]
        if found["picture"] and is_diagram(target):
            return f"*{words}* {found['caption'] or ''}".strip()
        if found["picture"]:
            return f"![{words}]({absolute(static(f'content/{document.kind}/{document.slug}/{target}'))})"
        path, mark, fragment = target.partition("#")
        if path.startswith("/"):
            return f"[{words}]({absolute(paths.get(path, path))}{mark}{fragment})"
        return found[0] if path else f"[{words}]({absolute(address(document, fragment))})"

    return INLINE.sub(filled_in, text)


def _value(found: re.Match[str]) -> str:
    try:
        return text_of(found["value"])
    except KeyError:
        return found[0]
