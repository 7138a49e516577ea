"""Reads what stands under a front matter: anchors, links, pictures, and the text cut into passages.

Parsing Markdown is the slow half of reading a document, so what it yields is kept under ``var/`` by the digest of
the file, and a start with a thousand posts reads one file instead of parsing them all.
"""

import math
import re
from collections.abc import Iterator, Sequence

import msgspec
from django.conf import settings
from django.utils import translation
from markdown_it.token import Token

from content.documents import KINDS, Document
from content.markdown import DIAGRAM, anchor_of, parser, plain_text
from content.values import text_of

MAX_PASSAGE_TOKENS = 200

# Tokens per word on the safe side. SmolLM2's tokeniser on our own English texts: 1.17 in the middle, 1.52 at most. On
# the French ones it needs 2.05 and 2.44, but French never reaches it: that limit is for larger multilingual models.
TOKENS_PER_WORD = {"en": 1.55, "fr": 1.5}
UNKNOWN_TOKENS_PER_WORD = 2.0
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+(?=[^\s])")

RAW_HTML = re.compile(r"</?[a-zA-Z][a-zA-Z0-9-]*(?=[\s/>])")

# Raise it when what is kept of a body changes its meaning.
FORM = 4


class Section(msgspec.Struct, frozen=True):
    """A passage to be: the text under one heading, or a part of it where it is long. Plain words on one line."""

    anchor: str  # of the heading it stands under; empty before the first
    heading: str
    text: str
    line: int
    part: int = 1  # 2 and up where one heading makes several passages


class Link(msgspec.Struct, frozen=True):
    target: str
    line: int


class Excerpt(msgspec.Struct, frozen=True):
    """Code that says it stands in a file of this repository."""

    path: str
    code: str
    line: int


class Body(msgspec.Struct, frozen=True):
    """What one document's text holds. ``problems`` are (line, what is wrong) and make it unfit to be published."""

    sections: tuple[Section, ...]
    anchors: tuple[str, ...]
    links: tuple[Link, ...]
    pictures: tuple[Link, ...]
    excerpts: tuple[Excerpt, ...]
    words: int
    problems: tuple[tuple[int, str], ...]


def estimated_tokens(text: str, language: str) -> int:
    """Return how many tokens ``text`` costs a model at most, without loading a tokeniser."""
    words = len(text.split())
    # Addresses, code and long numbers are few words and many tokens.
    written_down = settings.SITE_LANGUAGES[language].facts.tokens_per_word if language in settings.SITE_LANGUAGES else 0
    each = TOKENS_PER_WORD.get(language) or written_down or UNKNOWN_TOKENS_PER_WORD
    return max(math.ceil(words * each), math.ceil(len(text) / 5))


def read_body(document: Document) -> Body:
    """Return what the text of ``document`` holds; what is wrong with it is in ``problems``, nothing is raised."""
    with translation.override(document.language):  # values are written as its readers write them
        return _read(document)


def _read(document: Document) -> Body:
    tokens = _parser.parse(document.text)
    problems: list[tuple[int, str]] = []
    inline = list(_inline(tokens, document.first_line))
    for token, line in inline:
        if token.type == "value":
            _check_value(token.content, line, problems)
        elif token.type == "text" and (tag := RAW_HTML.search(token.content)):
            problems.append((line, f"{tag[0]}: HTML is shown as text here, write Markdown"))
    find = _strict_sections if KINDS[document.kind].strict else _free_sections
    sections = tuple(find(document, tokens, problems))
    return Body(
        sections=sections,
        anchors=tuple(str(token.attrs["id"]) for token in tokens if token.type == "heading_open"),
        links=tuple(
            Link(str(token.attrs.get("href", "")), line) for token, line in inline if token.type == "link_open"
        ),
        pictures=tuple(
            Link(str(token.attrs.get("src", "")), line) for token, line in inline if token.type in ("image", "figure")
        ),
        excerpts=tuple(_excerpts(document, tokens)),
        words=len(plain_text(tokens).split()),
        problems=tuple(problems),
    )


_parser = parser()


def _inline(tokens: Sequence[Token], first_line: int) -> Iterator[tuple[Token, int]]:
    """Yield every inline token with the file's line that its block begins on."""
    for token in tokens:
        line = first_line + (token.map or [0])[0]
        for child in token.children or []:
            yield child, line


def _check_value(name: str, line: int, problems: list[tuple[int, str]]) -> None:
    try:
        text_of(name)
    except KeyError:
        problems.append((line, f"{{{{ {name} }}}}: no value of this name; content/values.py says how to add one"))


def _text_of_value(name: str) -> str:
    try:
        return text_of(name)
    except KeyError:
        return ""


def _excerpts(document: Document, tokens: Sequence[Token]) -> Iterator[Excerpt]:
    for token in tokens:
        _language, _, path = token.info.strip().partition(" ")
        if token.type == "fence" and path:
            yield Excerpt(path, token.content, document.first_line + (token.map or [0])[0])


def _strict_sections(document: Document, tokens: Sequence[Token], problems: list[tuple[int, str]]) -> Iterator[Section]:
    """Yield the ``##`` sections. Text before the first, other levels, and two headings of one name are problems."""
    starts = [at for at, token in enumerate(tokens) if token.type == "heading_open"]
    if not starts or starts[0] != 0:
        problems.append((document.first_line, "expected the text to begin with a heading of the form ## Heading"))
        return
    seen: set[str] = set()
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        line = document.first_line + (tokens[start].map or [0])[0]
        heading = plain_text(tokens[start + 1 : start + 2])
        anchor = str(tokens[start].attrs["id"])
        text = plain_text(tokens[start + 3 : end], _text_of_value)
        if tokens[start].tag != "h2":
            problems.append((line, f"expected ## headings only, found {tokens[start].markup}"))
        elif anchor == "section" or not text:
            problems.append((line, f"the section {heading!r} needs a heading with letters and a text"))
        elif anchor_of(heading) in seen:
            problems.append((line, f"two sections are named {anchor_of(heading)}"))
        else:
            tokens_needed = estimated_tokens(text, document.language)
            if tokens_needed > MAX_PASSAGE_TOKENS:
                limit = f"a passage has at most {MAX_PASSAGE_TOKENS}"
                problems.append((line, f"{anchor}: about {tokens_needed} tokens, {limit}"))
            yield Section(anchor, heading, text, line)
        seen.add(anchor_of(heading))


def _free_sections(document: Document, tokens: Sequence[Token], problems: list[tuple[int, str]]) -> Iterator[Section]:
    """Yield the text under each heading, cut where it is long; code, tables, figures and footnotes are left out."""
    anchor, heading, line = "", str(document.meta.title), document.first_line
    blocks: list[str] = []
    # The parser puts the footnotes at the end.
    end = next((at for at, token in enumerate(tokens) if token.type == "footnote_block_open"), len(tokens))
    for at, token in enumerate(tokens[:end]):
        if token.type == "heading_open":
            yield from _cut(document, anchor, heading, line, blocks)
            anchor, heading = str(token.attrs["id"]), plain_text(tokens[at + 1 : at + 2])
            line, blocks = document.first_line + (token.map or [0])[0], []
            if token.tag not in ("h2", "h3"):
                problems.append((line, f"expected ## and ### headings, found {token.markup}: the title is in front"))
        elif token.type == "paragraph_open" and tokens[at + 1].type == "inline":
            children = tokens[at + 1].children or []
            if not any(child.type == "figure" for child in children):
                blocks.append(plain_text(tokens[at + 1 : at + 2], _text_of_value))
    yield from _cut(document, anchor, heading, line, blocks)


def _cut(document: Document, anchor: str, heading: str, line: int, blocks: list[str]) -> Iterator[Section]:
    """Yield ``blocks`` as passages of at most 200 tokens: whole paragraphs where they fit, else whole sentences."""
    pieces = [
        piece
        for block in blocks
        for piece in (
            [block] if estimated_tokens(block, document.language) <= MAX_PASSAGE_TOKENS else SENTENCE_END.split(block)
        )
    ]
    part, text = 1, ""
    for piece in filter(None, pieces):
        longer = f"{text} {piece}".strip()
        if text and estimated_tokens(longer, document.language) > MAX_PASSAGE_TOKENS:
            yield Section(anchor, heading, text, line, part)
            part, longer = part + 1, piece
        text = longer
    if text:
        yield Section(anchor, heading, text, line, part)


def is_diagram(target: str) -> bool:
    return target.startswith(DIAGRAM)
