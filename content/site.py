"""Every public page there is: what the sitemap lists, the export writes and the audit opens."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.conf import settings
from django.urls import reverse
from django.utils import translation

from content.documents import Document
from content.library import Library, address, languages, library

# Pages that are templates, by the name of their address.
TEMPLATE_PAGES = ("content:home", "content:chat", "content:blog", "content:archive", "content:knowledge-list")


@dataclass(frozen=True, slots=True)
class PublicPage:
    """One page in one language. ``alternates`` are the languages it exists in, this one among them, to paths."""

    path: str
    language: str
    alternates: dict[str, str]
    updated: date | None
    document: Document | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic with a page of its own."""

    slug: str
    name: str
    url: str
    count: int


def public_pages() -> list[PublicPage]:
    """Return every public page in every language, by path."""
    found = library()
    pages = [*_template_pages(found), *_topic_pages(found), *_document_pages(found)]
    return sorted(pages, key=lambda page: page.path)


def posts(language: str) -> list[Document]:
    """Return the published posts of a language, newest first."""
    found = library().published("posts", language)
    return sorted(found, key=lambda post: (post.meta.published, post.slug), reverse=True)


def topics(language: str, found: Library | None = None) -> list[Topic]:
    """Return the topics that a post or a knowledge document is about, by name."""
    found = found or library()
    counts: dict[str, int] = {}
    for kind in ("posts", "knowledge"):
        for document in found.published(kind, language):
            for topic in document.meta.topics:
                counts[topic] = counts.get(topic, 0) + 1
    listed = [Topic(slug, topic_name(slug, language), topic_url(slug, language), n) for slug, n in counts.items()]
    return sorted(listed, key=lambda topic: topic.name.casefold())


def topic_name(slug: str, language: str) -> str:
    """Return the topic's name; in the site's first language where it is not translated."""
    names = library().topics.get(slug, {})
    return names.get(language) or names.get(settings.LANGUAGE_CODE) or slug


def topic_url(slug: str, language: str) -> str:
    return path_of("content:topic", language, slug)


def page_address(slug: str, language: str) -> str:
    """Return the path of a standing page, in the site's first language where it is not translated."""
    found = library()
    document = found.find("pages", slug, language) or found.find("pages", slug, settings.LANGUAGE_CODE)
    return address(document) if document else path_of("content:page", language, slug)


def _template_pages(found: Library) -> Iterator[PublicPage]:
    newest = max((each.meta.updated for each in found.by_address.values()), default=None)
    for name in TEMPLATE_PAGES:
        alternates = {code: path_of(name, code) for code in languages()}
        for code, path in alternates.items():
            yield PublicPage(path, code, alternates, newest)


def _topic_pages(found: Library) -> Iterator[PublicPage]:
    by_language = {code: {topic.slug for topic in topics(code, found)} for code in languages()}
    for code, slugs in by_language.items():
        for slug in slugs:
            alternates = {other: topic_url(slug, other) for other, theirs in by_language.items() if slug in theirs}
            dates = [each.meta.updated for each in found.by_address.values() if slug in each.meta.topics]
            yield PublicPage(alternates[code], code, alternates, max(dates, default=None))


def _document_pages(found: Library) -> Iterator[PublicPage]:
    for document in found.by_address.values():
        others = [found.find(document.kind, document.slug, code) for code in found.languages_of(document)]
        alternates = {other.language: address(other) for other in others if other}
        yield PublicPage(address(document), document.language, alternates, document.meta.updated, document)


def path_of(name: str, language: str, *arguments: str) -> str:
    """Return the path of a public page in a language."""
    with translation.override(language):
        return reverse(name, args=arguments)
