"""Documents as HTML. Raw HTML in a file is shown as text: pages are written in Markdown alone."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

from django.template import TemplateDoesNotExist
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from content.bodies import is_diagram
from content.documents import Document
from content.library import Library, address, languages
from content.markdown import DIAGRAM, parser, plain_text
from content.soundness import linked_document, page_at
from content.values import filled_in_code, text_of, value_of

WORDS_A_MINUTE = 220
_code = HtmlFormatter(nowrap=True)


@dataclass(frozen=True, slots=True)
class Heading:
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A document's text as HTML, its main headings for a table of contents, and how long it takes to read."""

    html: SafeString
    contents: tuple[Heading, ...]
    minutes: int


@dataclass(frozen=True, slots=True)
class SectionHtml:
    anchor: str
    heading: str
    html: SafeString


@lru_cache(maxsize=256)
def render(library: Library, document: Document) -> Rendered:
    """Return the document as HTML in its language.

    What was made last is kept. A text links to other documents, so it is made anew with each change of the library.
    """
    tokens, env = _parsed(library, document)
    with translation.override(document.language):
        contents = tuple(
            Heading(str(token.attrs["id"]), plain_text(tokens[at + 1 : at + 2], text_of))
            for at, token in enumerate(tokens)
            if token.type == "heading_open" and token.tag == "h2"
        )
        text = _markdown.renderer.render(tokens, _markdown.options, env)
    minutes = max(1, round(len(plain_text(tokens).split()) / WORDS_A_MINUTE))
    return Rendered(mark_safe(text), contents, minutes)  # noqa: S308 - html is off


def section_html(library: Library, document: Document) -> list[SectionHtml]:
    """Return each ``##`` section of a knowledge document with its text as HTML, in order."""
    tokens, env = _parsed(library, document)
    starts = [at for at, token in enumerate(tokens) if token.type == "heading_open"]
    with translation.override(document.language):
        return [
            SectionHtml(
                str(tokens[start].attrs["id"]),
                plain_text(tokens[start + 1 : start + 2], text_of),
                mark_safe(_markdown.renderer.render(tokens[start + 3 : end], _markdown.options, env)),  # noqa: S308 - html is off
            )
            for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True)
        ]


def _parsed(library: Library, document: Document) -> tuple[list[Token], dict[str, Any]]:
    env: dict[str, Any] = {"library": library, "document": document}
    return _markdown.parse(document.text, env), env


class _Renderer(RendererHTML):
    """Our elements: everything that differs from plain CommonMark."""

    def heading_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        anchor = html.escape(str(tokens[at].attrs["id"]))
        return f'<{tokens[at].tag} id="{anchor}"><a class="anchor" href="#{anchor}">'

    def heading_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return f"</a></{tokens[at].tag}>\n"

    def value(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        name = tokens[at].content
        try:
            text = html.escape(text_of(name)).replace("\n", "<br>")
        except KeyError:  # the check names it; readers of the rest of the page should not pay for it
            return f'<mark class="missing">{html.escape(name)}</mark>'
        return text if value_of(name) != "" else f'<mark class="missing">{text}</mark>'

    def link_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        target = str(tokens[at].attrs["href"])
        return f'<a href="{html.escape(_link(target, env))}">'

    def table_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        label = html.escape(_("Table"))
        return f'<div class="table-frame" role="group" tabindex="0" aria-label="{label}"><table class="table">\n'

    def table_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return f'<th scope="col"{self.renderAttrs(tokens[at])}>'

    def fence(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        language, _space, path = tokens[at].info.strip().partition(" ")
        shown = _highlighted(filled_in_code(dedent(tokens[at].content)), language)
        code = f'<pre class="code" tabindex="0"><code>{shown}</code></pre>'
        if not path:
            return f'<div class="code-frame">{code}</div>\n'
        return f'<figure class="code-frame"><figcaption>{html.escape(path)}</figcaption>{code}</figure>\n'

    def figure(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        token = tokens[at]
        source, caption = str(token.attrs["src"]), str(token.attrs.get("title", ""))
        if is_diagram(source):
            label = html.escape(token.content)
            drawn = _diagram(source.removeprefix(DIAGRAM), label)
            picture = f'<div class="figure-frame" role="group" tabindex="0" aria-label="{label}">{drawn}</div>'
        else:
            picture = _picture(source, token.content, env["document"], env["library"])
        below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
        return f'<figure class="figure">{picture}{below}</figure>\n'

    def image(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return _picture(str(tokens[at].attrs["src"]), tokens[at].content, env["document"], env["library"])

    def footnote_block_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        label = html.escape(_("Notes"))
        return f'<section class="footnotes" aria-label="{label}"><ol class="footnotes-list">\n'

    def footnote_block_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return "</ol></section>\n"

    def footnote_open(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return f'<li id="fn{tokens[at].meta["id"] + 1}">'

    def footnote_close(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        return "</li>\n"

    def footnote_ref(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        number = tokens[at].meta["id"] + 1
        again = f"-{tokens[at].meta['subId']}" if tokens[at].meta.get("subId") else ""
        label = html.escape(_("Note %(number)d") % {"number": number})
        link = f'<a href="#fn{number}" id="fnref{number}{again}" aria-label="{label}">{number}</a>'
        return f'<sup class="footnote-ref">{link}</sup>'

    def footnote_anchor(self, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
        number = tokens[at].meta["id"] + 1
        again = f"-{tokens[at].meta['subId']}" if tokens[at].meta.get("subId") else ""
        label = html.escape(_("Back to the text"))
        return f' <a href="#fnref{number}{again}" class="footnote-back" aria-label="{label}">↑</a>'


def _link(target: str, env: Mapping[str, Any]) -> str:
    """Return where a link leads: our own documents in the reader's language, everything else as it was written."""
    parts = urlsplit(target)
    if parts.scheme or not parts.path:
        return target
    library: Library = env["library"]
    document: Document = env["document"]
    found = linked_document(library, document, parts.path)
    if found:
        return address(found, parts.fragment)
    prefix = "" if document.language == languages()[0] else f"/{document.language}"
    # A public page such as the list of posts exists in each language; the application's own paths name theirs.
    public = (page_at(parts.path, languages()[0]) or "").startswith("content:")
    return f"{prefix}{target}" if public else target


def _picture(source: str, alt: str, document: Document, library: Library) -> str:
    """Return an ``img`` with its size, so that nothing moves when it arrives.

    Its words stand in for one that is not there, or not yet: a picture is served once static files are collected and
    the web process has started again.
    """
    try:
        with Image.open(library.root / document.kind / document.slug / source) as opened:
            width, height = opened.size
        url = html.escape(static(f"content/{document.kind}/{document.slug}/{source}"))
    except (OSError, ValueError):
        return f"<em>{html.escape(alt)}</em>"
    return (
        f'<img src="{url}" alt="{html.escape(alt)}" width="{width}" height="{height}" loading="lazy" decoding="async">'
    )


def _diagram(name: str, label: str) -> str:
    try:
        return render_to_string(f"diagrams/{name}.svg").strip()
    except TemplateDoesNotExist:
        return f"<em>{label}</em>"


def _highlighted(code: str, language: str) -> str:
    try:
        lexer = get_lexer_by_name(language or "text", stripnl=False)
    except ClassNotFound:
        return html.escape(code)
    return str(highlight(code, lexer, _code))


_markdown: MarkdownIt = parser()
_markdown.renderer = _Renderer(_markdown)
