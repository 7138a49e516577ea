"""The published documents as passages, approved pairs and synonyms: what answers are grounded on."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import msgspec
from django.conf import settings

from content.documents import CONTENT, FRONT_MATTER, Document, read_document, read_yaml, same_question
from content.errors import ContentError

MAX_PASSAGE_TOKENS = 200

# Tokens per word on the safe side. SmolLM2's tokeniser on our own English texts: 1.17 in the middle, 1.52 at most. On
# the French ones it needs 2.05 and 2.44, but French never reaches it: that limit is for larger multilingual models.
TOKENS_PER_WORD = {"en": 1.55, "fr": 1.5}

Synonym = Annotated[str, msgspec.Meta(pattern=r"^[^\W_]+$")]
SynonymGroup = Annotated[list[Synonym], msgspec.Meta(min_length=2)]


@dataclass(frozen=True, slots=True)
class Passage:
    """One section of a published document."""

    id: str  # "slug#heading-slug"
    document: str
    language: str
    title: str
    heading: str
    url: str  # path with fragment
    text: str
    phrasings: tuple[str, ...] = ()  # questions in visitors' words that the section answers: searched, never shown


@dataclass(frozen=True, slots=True)
class ApprovedPair:
    """A question in several phrasings and the answer that a person wrote for it."""

    questions: tuple[str, ...]
    answer: str
    passage: str  # id of the passage that proves it
    url: str
    document: str
    language: str


@dataclass(frozen=True, slots=True)
class Library:
    """Everything under one content folder, with all that is wrong in it."""

    documents: tuple[Document, ...]
    synonyms: dict[str, tuple[tuple[str, ...], ...]]
    errors: tuple[ContentError, ...]


@dataclass(slots=True)
class _Shelf:
    """What was read last, and how the files looked then. Replaced whole, so readers in other threads see old or new."""

    stamp: tuple[tuple[str, int, int], ...] = ()
    digest: str = ""
    library: Library = field(default_factory=lambda: Library((), {}, ()))


_shelves: dict[Path, _Shelf] = {}


def languages() -> tuple[str, ...]:
    return tuple(code for code, _name in settings.LANGUAGES)


def passages(language: str, *, root: Path = CONTENT) -> tuple[Passage, ...]:
    """Return the passages of the published knowledge in ``language``, by slug. Raises the first ContentError."""
    return tuple(
        Passage(
            id=f"{document.slug}#{section.slug}",
            document=document.slug,
            language=language,
            title=document.meta.title,
            heading=section.heading,
            url=address(document, section.slug),
            text=section.text,
            phrasings=tuple(document.meta.search.get(section.slug, ())),
        )
        for document in _published(language, root)
        for section in document.sections
    )


def approved_pairs(language: str, *, root: Path = CONTENT) -> tuple[ApprovedPair, ...]:
    """Return the approved pairs of the published knowledge in ``language``. Raises the first ContentError there is."""
    return tuple(
        ApprovedPair(
            questions=tuple(question.ask),
            answer=" ".join(question.answer.split()),
            passage=f"{document.slug}#{question.section}",
            url=address(document, question.section),
            document=document.slug,
            language=language,
        )
        for document in _published(language, root)
        for question in document.meta.questions
    )


def synonyms(language: str, *, root: Path = CONTENT) -> tuple[tuple[str, ...], ...]:
    """Return the groups of words that mean the same when sentences are picked; empty where no list was written."""
    return _sound(root).synonyms.get(language, ())


def address(document: Document, section: str = "") -> str:
    """Return the path of a document's page; the first language of the site has no prefix."""
    prefix = "" if document.language == languages()[0] else f"/{document.language}"
    return f"{prefix}/{document.kind}/{document.slug}/" + (f"#{section}" if section else "")


def estimated_tokens(text: str, language: str) -> int:
    """Return how many tokens ``text`` costs a model at most, without loading a tokeniser."""
    words = len(text.split())
    # Addresses, code and long numbers are few words and many tokens.
    return max(math.ceil(words * TOKENS_PER_WORD.get(language, 2.0)), math.ceil(len(text) / 5))


def content_digest(*, root: Path = CONTENT) -> str:
    """Return a sha256 over every file's path and bytes; files are read again only when a size or time has changed."""
    return _shelf(root).digest


def library(*, root: Path = CONTENT) -> Library:
    """Return everything under ``root`` with its errors; never raises for what an author wrote."""
    return _shelf(root).library


def _published(language: str, root: Path) -> Iterator[Document]:
    for document in _sound(root).documents:
        if document.kind == "knowledge" and document.language == language and document.published:
            yield document


def _sound(root: Path) -> Library:
    found = library(root=root)
    if found.errors:
        raise found.errors[0]
    return found


def _files(root: Path) -> list[Path]:
    kinds = [path for kind in FRONT_MATTER for path in (root / kind).glob("*/*")]
    return sorted(path for path in [*kinds, *(root / "synonyms").glob("*")] if path.is_file())


def _shelf(root: Path) -> _Shelf:
    files = _files(root)
    stamp = tuple((str(path), (stat := path.stat()).st_mtime_ns, stat.st_size) for path in files)
    shelf = _shelves.get(root)
    if shelf is None or shelf.stamp != stamp:
        digest = hashlib.sha256()
        for path in files:
            content = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
        shelf = _shelves[root] = _Shelf(stamp, digest.hexdigest(), _read(files, root))
    return shelf


def _read(files: list[Path], root: Path) -> Library:
    documents: list[Document] = []
    groups: dict[str, tuple[tuple[str, ...], ...]] = {}
    errors: list[ContentError] = []
    for path in files:
        name = path.relative_to(root.parent).as_posix()
        try:
            _check_name(path, name)
            if path.suffix == ".yaml":
                found, _lines = read_yaml(path.read_text(encoding="utf-8"), list[SynonymGroup], file=name)
                groups[path.stem] = tuple(tuple(group) for group in found)
            else:
                document = read_document(path, kind=path.parent.parent.name, root=root)
                errors.extend(_long_passages(document))
                documents.append(document)
        except ContentError as error:
            errors.append(error)
    errors.extend(_missing_languages(files, root))
    errors.extend(_ambiguous_questions(documents))
    errors.extend(_ambiguous_phrasings(documents))
    return Library(tuple(documents), groups, tuple(errors))


def _check_name(path: Path, name: str) -> None:
    suffix = ".yaml" if path.parent.name == "synonyms" else ".md"
    if path.suffix != suffix or path.stem not in languages():
        expected = ", ".join(f"{language}{suffix}" for language in languages())
        raise ContentError(name, 1, f"expected one of {expected}")


def _long_passages(document: Document) -> Iterator[ContentError]:
    for section in document.sections:
        tokens = estimated_tokens(section.text, document.language)
        if tokens > MAX_PASSAGE_TOKENS:
            problem = f"{section.slug}: about {tokens} tokens, a passage has at most {MAX_PASSAGE_TOKENS}"
            yield ContentError(document.file, section.line, problem)


def _missing_languages(files: list[Path], root: Path) -> Iterator[ContentError]:
    folders = sorted({path.parent for path in files if path.parent.name != "synonyms"})
    for folder in folders:
        for language in languages():
            path = folder / f"{language}.md"
            if not path.is_file():
                yield ContentError(path.relative_to(root.parent).as_posix(), 1, "missing: every language is needed")


def _ambiguous_questions(documents: list[Document]) -> Iterator[ContentError]:
    """Yield an error for a phrasing that two approved pairs claim: the reader could be given either answer."""
    owners: dict[tuple[str, str], str] = {}
    for document in documents:
        for number, question in enumerate(document.meta.questions):
            for index, ask in enumerate(question.ask):
                key = (document.language, same_question(ask))
                owner = owners.setdefault(key, f"{document.file} questions[{number}]")
                if owner != f"{document.file} questions[{number}]":
                    path = f"questions[{number}].ask[{index}]"
                    yield ContentError(document.file, document.lines[path], f"{path}: also asked in {owner}")


def _ambiguous_phrasings(documents: list[Document]) -> Iterator[ContentError]:
    """Yield an error for a phrasing that two documents claim: it would lead to either."""
    owners: dict[tuple[str, str], str] = {}
    for document in documents:
        for slug, phrasings in document.meta.search.items():
            for at, phrasing in enumerate(phrasings):
                owner = owners.setdefault((document.language, same_question(phrasing)), document.file)
                if owner != document.file:
                    path = f"search.{slug}[{at}]"
                    yield ContentError(document.file, document.lines[path], f"{path}: also leads to {owner}")
