"""Reads the Markdown documents under content/<kind>/<slug>/<language>.md, each error with its file and line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

from content.errors import ContentError

CONTENT = Path(__file__).parent

Line = Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^\n]*$")]
Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]

# Fewer miss too many of the words a visitor may use, more dilute what a section is about.
PHRASINGS_A_SECTION = range(4, 9)
MAX_PHRASING_LETTERS = 120


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An approved pair: phrasings of one question, the answer a person stands behind, the section that proves it."""

    ask: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=12)]
    answer: Annotated[str, msgspec.Meta(min_length=1, max_length=800)]
    section: Slug


class Knowledge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Front matter of content/knowledge: what the assistant may answer from."""

    title: Annotated[Line, msgspec.Meta(max_length=70)]
    description: Annotated[Line, msgspec.Meta(max_length=160)]
    status: Literal["published", "draft"]
    updated: date
    topics: Annotated[list[Slug], msgspec.Meta(min_length=1, max_length=4)]
    ai_assisted: bool
    reviewed_by: str | None
    questions: list[Question]
    search: dict[str, list[str]] = {}  # section to questions in visitors' words: searched, never shown


# A new kind of document is a folder of this name and a line here.
FRONT_MATTER: Mapping[str, type[Knowledge]] = {"knowledge": Knowledge}


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one ``##`` heading."""

    slug: str
    heading: str
    text: str  # plain words on one line
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """One file that passed every check of its own."""

    kind: str
    slug: str
    language: str
    file: str
    meta: Knowledge
    body: str  # Markdown after the front matter
    sections: tuple[Section, ...]
    lines: Mapping[str, int]  # line of a field, by path: "title", "questions[0].section"

    @property
    def published(self) -> bool:
        return self.meta.status == "published"


def read_document(path: Path, *, kind: str, root: Path = CONTENT) -> Document:
    """Return the document in ``path``. Raises ContentError at the first thing that is wrong."""
    file = path.relative_to(root.parent).as_posix()
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ContentError(file, 1, f"not UTF-8 at byte {error.start}") from None
    front, body, first_line = _split(text, file)
    # The front matter itself begins on the file's second line.
    meta, lines = read_yaml(front, FRONT_MATTER[kind], file=file, first_line=2)
    sections = tuple(_sections(body, file=file, first_line=first_line))
    document = Document(kind, path.parent.name, path.stem, file, meta, body, sections, lines)
    _check_questions(document)
    _check_search(document)
    return document


def read_yaml(text: str, shape: Any, *, file: str, first_line: int = 1) -> tuple[Any, dict[str, int]]:
    """Return ``text`` as ``shape``, and the line of every field. Raises ContentError on the offending field's line."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        raise ContentError(file, first_line + (mark.line if mark else 0), problem) from None
    lines = {path: first_line + line for path, line in _field_lines(node, "", file=file, first_line=first_line)}
    try:
        return msgspec.convert(value, shape), lines
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        path = where.rstrip("`").lstrip(".")
        unknown = re.search(r"unknown field `(.+)`", problem)
        if unknown:
            path = f"{path}.{unknown[1]}".lstrip(".")
        # Inside a mapping of free names the library says [...] for the name: its own line is as near as we get.
        line = lines.get(path) or lines.get(path.partition("[...]")[0], first_line)
        raise ContentError(file, line, f"{path}: {_lower_first(problem)}" if path else _lower_first(problem)) from None


def plain_text(tokens: Sequence[Token]) -> str:
    """Return the words of Markdown tokens on one line: no markup, no HTML tags, alt text instead of pictures."""
    parts: list[str] = []
    for token in tokens:
        if token.type == "inline":
            parts.append(_inline_text(token.children or []))
        elif token.type in ("fence", "code_block"):
            parts.append(token.content)
    return " ".join(" ".join(parts).split())


def _inline_text(children: Sequence[Token]) -> str:
    words = []
    for child in children:
        if child.type in ("text", "code_inline", "image"):
            words.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            words.append(" ")
    return "".join(words)


def _split(text: str, file: str) -> tuple[str, str, int]:
    """Return front matter, body, and the file's line on which the body begins."""
    rows = text.splitlines(keepends=True)
    if not rows or rows[0].rstrip() != "---":
        raise ContentError(file, 1, "expected front matter between two lines ---")
    for number, row in enumerate(rows[1:], start=1):
        if row.rstrip() == "---":
            return "".join(rows[1:number]), "".join(rows[number + 1 :]), number + 2
    raise ContentError(file, 1, "the front matter has no closing line ---")


def _field_lines(node: yaml.Node | None, path: str, *, file: str, first_line: int) -> Iterator[tuple[str, int]]:
    """Yield the path and 0-based line of every field under ``node``; a name given twice is an error, YAML hides it."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            inner = f"{path}.{key.value}".lstrip(".")
            if key.value in seen:
                raise ContentError(file, first_line + key.start_mark.line, f"{inner}: given twice")
            seen.add(key.value)
            yield inner, key.start_mark.line
            yield from _field_lines(value, inner, file=file, first_line=first_line)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            inner = f"{path}[{index}]"
            yield inner, value.start_mark.line
            yield from _field_lines(value, inner, file=file, first_line=first_line)


def _sections(body: str, *, file: str, first_line: int) -> Iterator[Section]:
    """Yield the ``##`` sections. Text before the first, other levels, and two headings of one name are errors."""
    tokens = MarkdownIt("commonmark").parse(body)
    starts = [index for index, token in enumerate(tokens) if token.type == "heading_open"]
    if not starts or starts[0] != 0:
        raise ContentError(file, first_line, "expected the text to begin with a heading of the form ## Heading")
    seen: set[str] = set()
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        line = first_line + (tokens[start].map or [0])[0]
        if tokens[start].tag != "h2":
            raise ContentError(file, line, f"expected ## headings only, found {tokens[start].markup}")
        heading = plain_text(tokens[start + 1 : start + 2])
        slug = slugify(heading)
        text = plain_text(tokens[start + 3 : end])
        if not slug or not text:
            raise ContentError(file, line, f"the section {heading!r} needs a heading with letters and a text")
        if slug in seen:
            raise ContentError(file, line, f"two sections are named {slug}")
        seen.add(slug)
        yield Section(slug, heading, text, line)


def _check_questions(document: Document) -> None:
    slugs = {section.slug for section in document.sections}
    for index, question in enumerate(document.meta.questions):
        if question.section not in slugs:
            path = f"questions[{index}].section"
            problem = f"{path}: no section {question.section}; there are {', '.join(sorted(slugs))}"
            raise ContentError(document.file, document.lines[path], problem)


def _check_search(document: Document) -> None:
    """Refuse phrasings for a section that is not there, too few or too many, and one that stands twice in the file."""
    slugs = {section.slug for section in document.sections}
    seen: dict[str, str] = {}
    for slug, phrasings in document.meta.search.items():
        path = f"search.{slug}"
        if slug not in slugs:
            problem = f"{path}: no section {slug}; there are {', '.join(sorted(slugs))}"
            raise ContentError(document.file, document.lines[path], problem)
        if len(phrasings) not in PHRASINGS_A_SECTION:
            few, many = PHRASINGS_A_SECTION[0], PHRASINGS_A_SECTION[-1]
            problem = f"{path}: {len(phrasings)} phrasings, a section has {few} to {many}"
            raise ContentError(document.file, document.lines[path], problem)
        for at, phrasing in enumerate(phrasings):
            here = f"{path}[{at}]"
            first = seen.setdefault(same_question(phrasing), here)
            if first != here:
                raise ContentError(document.file, document.lines[here], f"{here}: stands at {first} already")
            if not 1 <= len(phrasing) <= MAX_PHRASING_LETTERS or "\n" in phrasing:
                problem = f"{here}: expected one line of 1 to {MAX_PHRASING_LETTERS} letters"
                raise ContentError(document.file, document.lines[here], problem)


def same_question(text: str) -> str:
    """Return ``text`` so that one question typed two ways is equal: no capitals, no double spaces, no question mark."""
    return " ".join(text.casefold().split()).rstrip(" ?")


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
