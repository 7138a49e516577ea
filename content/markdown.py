"""Our Markdown: CommonMark with tables, footnotes, values and figures, raw HTML switched off.

One parser makes both what people read (``content.rendering``) and what is searched and checked (``content.bodies``),
so a heading has one anchor everywhere.
"""

import re
from collections.abc import Sequence
from typing import Any

from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.footnote import footnote_plugin

VALUE = re.compile(r"\{\{\s+([a-z][a-z0-9_]*)\s+\}\}")
DIAGRAM = "diagram:"
SPACES = re.compile(r"[ \t\r\n]+")


def parser() -> MarkdownIt:
    """Return a new parser with our rules; renderers add their own."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").use(footnote_plugin, inline=False)
    markdown.inline.ruler.before("escape", "value", _value)
    markdown.core.ruler.push("anchors", _anchors)
    markdown.core.ruler.push("columns", _columns)
    markdown.core.ruler.push("figures", _figures)
    return markdown


def plain_text(tokens: Sequence[Token], values: Any = None) -> str:
    """Return the words of Markdown tokens on one line: no markup, no HTML tags, alt text instead of pictures.

    ``values`` maps the name of a value to its text; without it the name itself is put.
    """
    parts: list[str] = []
    for token in tokens:
        if token.type == "inline":
            parts.append(_inline_text(token.children or [], values))
        elif token.type in ("fence", "code_block"):
            parts.append(token.content)
    # French sets spaces that must not break before its punctuation; those stay what they are.
    return SPACES.sub(" ", " ".join(parts)).strip()


def _inline_text(children: Sequence[Token], values: Any) -> str:
    words = []
    for child in children:
        if child.type in ("text", "code_inline", "image"):
            words.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            words.append(" ")
        elif child.type == "value":
            words.append(values(child.content) if values else child.content)
    return "".join(words)


def anchor_of(heading: str) -> str:
    """Return what stands after the # for a heading: Latin letters, in another script the heading's own."""
    return slugify(heading) or slugify(heading, allow_unicode=True) or "section"


def _value(state: StateInline, silent: bool) -> bool:
    """Read ``{{ name }}``."""
    found = VALUE.match(state.src, state.pos)
    if not found:
        return False
    if not silent:
        token = state.push("value", "", 0)
        token.content = found[1]
    state.pos = found.end()
    return True


def _anchors(state: StateCore) -> None:
    """Give each heading its anchor: Django's slug of its words, with a number where two are the same."""
    counts: dict[str, int] = {}
    taken: set[str] = set()
    for at, token in enumerate(state.tokens):
        if token.type != "heading_open":
            continue
        slug = anchor_of(plain_text(state.tokens[at + 1 : at + 2]))
        anchor = slug
        while anchor in taken:
            counts[slug] = counts.get(slug, 1) + 1
            anchor = f"{slug}-{counts[slug]}"
        taken.add(anchor)
        token.attrSet("id", anchor)


def _columns(state: StateCore) -> None:
    """Say with a class how a column is set: the policy allows no style attribute."""
    for token in state.tokens:
        style = str(token.attrs.pop("style", ""))
        if style.endswith("right"):
            token.attrJoin("class", "number")
        elif style.endswith("center"):
            token.attrJoin("class", "centred")


def _figures(state: StateCore) -> None:
    """Make a figure of a paragraph that holds a picture and nothing else."""
    for before, token, after in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        children = token.children or []
        if before.type == "paragraph_open" and [child.type for child in children] == ["image"]:
            before.hidden = after.hidden = True
            before.tag = after.tag = ""
            children[0].type = "figure"
