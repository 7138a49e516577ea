"""Reads the front matter of content/<kind>/<slug>/<language>.md, each error with its file and line.

What stands under the front matter is read in ``content.bodies``: lists, addresses and feeds need the first alone.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml

from content.errors import ContentError

Line = Annotated[str, msgspec.Meta(min_length=1, pattern=r"^[^\x00-\x1f\x7f]*$")]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]
Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Anchor = Annotated[str, msgspec.Meta(pattern=r"^[\w-]+$")]  # of a heading, in whatever script that is written
SecureAddress = Annotated[str, msgspec.Meta(pattern=r"^https://[^\s]+$")]

# libyaml reads a front matter in 0.15 ms, Python's own reader in 2 ms.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An approved pair: phrasings of one question, the answer a person stands behind, the section that proves it."""

    ask: Annotated[list[Line], msgspec.Meta(min_length=1, max_length=12)]
    answer: Annotated[Text, msgspec.Meta(min_length=1, max_length=800)]
    section: Anchor


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a fact comes from, outside this site."""

    title: Line
    url: SecureAddress


class FrontMatter(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every kind of document says about itself."""

    title: Annotated[Line, msgspec.Meta(max_length=70)]
    description: Annotated[Line, msgspec.Meta(max_length=160)]
    status: Literal["published", "draft"]
    updated: date
    topics: Annotated[list[Slug], msgspec.Meta(min_length=1, max_length=4)]
    ai_assisted: bool
    reviewed_by: str | None
    reviewed_at: date | None = None
    sources: list[Reference] = []
    search: dict[str, list[str]] = {}  # section to questions in visitors' words: searched, never shown


class Knowledge(FrontMatter, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Front matter of content/knowledge: short sections for the assistant, some with an approved answer."""

    questions: list[Question]


class Page(FrontMatter, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Front matter of content/pages: what stays, in versions."""

    version: Line


class Post(FrontMatter, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Front matter of content/posts."""

    published: date


@dataclass(frozen=True, slots=True)
class Kind:
    """A folder of content/: the shape of its front matter, and where its documents stand on the site."""

    front_matter: type[FrontMatter]
    prefix: str  # of the address
    view: str  # the name of the address
    strict: bool  # only ## sections, each short enough to be one passage


# A new kind of document is a folder of this name and a line here.
KINDS: Mapping[str, Kind] = {
    "pages": Kind(Page, "", "content:page", strict=False),
    "posts": Kind(Post, "blog/", "content:post", strict=False),
    "knowledge": Kind(Knowledge, "knowledge/", "content:knowledge", strict=True),
}

# What must be the same in every language of one document.
SHARED_FIELDS = ("status", "published", "updated", "version", "topics")


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One file whose front matter passed every check."""

    kind: str
    slug: str
    language: str
    file: str
    meta: Any  # the kind's front matter
    text: str  # Markdown after the front matter
    first_line: int  # of the text in the file
    lines: Mapping[str, int]  # line of a field, by path: "title", "questions[0].section"
    digest: str  # sha256 of the file's name and bytes

    @property
    def published(self) -> bool:
        return bool(self.meta.status == "published")


def read_document(path: Path, *, kind: str, root: Path) -> Document:
    """Return the document in ``path``. Raises ContentError at the first thing that is wrong with its front matter."""
    file = path.relative_to(root.parent).as_posix()
    raw = path.read_bytes()
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ContentError(file, 1, f"not UTF-8 at byte {error.start}") from None
    control = CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise ContentError(file, line, f"a control character (U+{ord(control[0]):04X}), which no feed can carry")
    front, body, first_line = _split(text, file)
    # The front matter itself begins on the file's second line.
    meta, lines = read_yaml(front, KINDS[kind].front_matter, file=file, first_line=2)
    if (meta.reviewed_by is None) != (meta.reviewed_at is None) and "reviewed_at" in lines:
        raise ContentError(file, lines["reviewed_at"], "reviewed_at: a review has a person and a day, or neither")
    digest = hashlib.sha256(f"{file}\0".encode() + raw).hexdigest()
    return Document(kind, path.parent.name, path.stem, file, meta, body, first_line, lines, digest)


def read_yaml(text: str, shape: Any, *, file: str, first_line: int = 1) -> tuple[Any, dict[str, int]]:
    """Return ``text`` as ``shape``, and the line of every field. Raises ContentError on the offending field's line."""
    try:
        node = yaml.compose(text, Loader=LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        raise ContentError(file, first_line + (mark.line if mark else 0), problem) from None
    fields = _Fields(file, first_line)
    fields.visit(node, "")
    lines = fields.lines
    value = yaml.constructor.SafeConstructor().construct_document(node) if node else None
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


def _split(text: str, file: str) -> tuple[str, str, int]:
    """Return front matter, body, and the file's line on which the body begins."""
    rows = text.splitlines(keepends=True)
    if not rows or rows[0].rstrip() != "---":
        raise ContentError(file, 1, "expected front matter between two lines ---")
    for number, row in enumerate(rows[1:], start=1):
        if row.rstrip() == "---":
            return "".join(rows[1:number]), "".join(rows[number + 1 :]), number + 2
    raise ContentError(file, 1, "the front matter has no closing line ---")


class _Fields:
    """The line of every field under a node, each by its path; raises ContentError for what YAML itself would let pass.

    That is: a name given twice, an alias (a few lines of them can stand for gigabytes), and a value that looks like a
    date or a number and is none, such as 2026-13-45.
    """

    def __init__(self, file: str, first_line: int) -> None:
        self.lines: dict[str, int] = {}
        self._file = file
        self._first_line = first_line
        self._visited: set[int] = set()

    def visit(self, node: yaml.Node | None, path: str) -> None:
        if id(node) in self._visited:
            raise self._error(node, f"{path}: an alias (*) of this value: write it twice")
        self._visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                inner = f"{path}.{key.value}".lstrip(".")
                if key.value in seen:
                    raise self._error(key, f"{inner}: given twice")
                seen.add(key.value)
                self._note(inner, key, value)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._note(f"{path}[{index}]", value, value)
        elif isinstance(node, yaml.ScalarNode) and node.tag != "tag:yaml.org,2002:str":
            try:
                yaml.constructor.SafeConstructor().construct_object(node)
            except ValueError as error:
                raise self._error(node, f"{path}: {error}: {node.value}") from None

    def _note(self, path: str, named: yaml.Node, value: yaml.Node) -> None:
        self.lines[path] = self._first_line + named.start_mark.line
        self.visit(value, path)

    def _error(self, node: yaml.Node | None, problem: str) -> ContentError:
        return ContentError(self._file, self._first_line + (node.start_mark.line if node else 0), problem)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
