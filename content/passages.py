"""The published documents as passages, approved pairs and synonyms: what answers are grounded on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from content.bodies import Section
from content.documents import KINDS, Document
from content.library import Library, address, library


@dataclass(frozen=True, slots=True)
class Passage:
    """One section of a published document, or a part of a long one."""

    id: str  # "slug#heading-slug" of knowledge, "posts/slug#heading-slug" of other kinds, "~2" for a second part
    document: str
    language: str
    title: str
    heading: str
    url: str  # path with fragment
    text: str
    phrasings: tuple[str, ...] = ()  # questions in visitors' words that the section answers: searched, never shown
    kind: str = "knowledge"


@dataclass(frozen=True, slots=True)
class ApprovedPair:
    """A question in several phrasings and the answer that a person wrote for it."""

    questions: tuple[str, ...]
    answer: str
    passage: str  # id of the passage that proves it
    url: str
    document: str
    language: str


def passages(language: str, *, root: Path | None = None) -> tuple[Passage, ...]:
    """Return the passages of everything published in ``language``: knowledge first, then pages and posts, by slug.

    A file that has an error counts with its last sound text, if it had one.
    """
    found = library(root=root)
    kinds = sorted(KINDS, key=lambda kind: kind != "knowledge")
    return tuple(
        _passage(document, section) for kind in kinds for document, section in _sections(found, kind, language)
    )


def approved_pairs(language: str, *, root: Path | None = None) -> tuple[ApprovedPair, ...]:
    """Return the approved pairs of the published knowledge in ``language``."""
    return tuple(
        ApprovedPair(
            questions=tuple(question.ask),
            answer=" ".join(question.answer.split()),
            passage=f"{document.slug}#{question.section}",
            url=address(document, question.section),
            document=document.slug,
            language=language,
        )
        for document in library(root=root).published("knowledge", language)
        for question in document.meta.questions
    )


def synonyms(language: str, *, root: Path | None = None) -> tuple[tuple[str, ...], ...]:
    """Return the groups of words that mean the same when sentences are picked; empty where no list was written."""
    return library(root=root).synonyms.get(language, ())


def _sections(found: Library, kind: str, language: str) -> Iterator[tuple[Document, Section]]:
    """Yield the sections of published documents; one whose text has a problem gives none until it is mended."""
    for document in found.published(kind, language):
        body = found.body(document)
        if not body.problems:
            for section in body.sections:
                yield document, section


def _passage(document: Document, section: Section) -> Passage:
    place = document.slug if document.kind == "knowledge" else f"{document.kind}/{document.slug}"
    return Passage(
        id=f"{place}#{section.anchor}" + (f"~{section.part}" if section.part > 1 else ""),
        document=document.slug,
        language=document.language,
        title=document.meta.title,
        heading=section.heading,
        url=address(document, section.anchor),
        text=section.text,
        phrasings=tuple(document.meta.search.get(section.anchor, ())) if section.part == 1 else (),
        kind=document.kind,
    )
