"""Public pages: no cookie, no live figure, no secret, the same bytes for everyone, so they may be compressed."""

from dataclasses import dataclass
from datetime import date
from itertools import groupby

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import select_template
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.gzip import gzip_page

from content.documents import Document
from content.library import address, library
from content.passages import approved_pairs
from content.rendering import Rendered, section_html
from content.rendering import render as render_document
from content.site import Topic, posts, topic_name, topic_url, topics

# What a first-time visitor may want to know; the first approved question of each.
SUGGESTED = ("conversations", "how-an-answer-is-made", "model", "energy")
NEWEST_ON_HOME = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """A document as a list shows it."""

    title: str
    description: str
    url: str
    topics: tuple[Topic, ...]
    published: date | None
    updated: date


def current_language() -> str:
    return get_language() or settings.LANGUAGE_CODE


def listed(document: Document) -> Listed:
    """Return what a list shows of a document."""
    language = document.language
    about = tuple(
        Topic(slug, topic_name(slug, language), topic_url(slug, language), 0) for slug in document.meta.topics
    )
    meta = document.meta
    published = getattr(meta, "published", None)
    return Listed(meta.title, meta.description, address(document), about, published, meta.updated)


@gzip_page
def home(request: HttpRequest) -> HttpResponse:
    language = current_language()
    first = {pair.document: pair.questions[0] for pair in reversed(approved_pairs(language))}
    suggestions = [first[slug] for slug in SUGGESTED if slug in first]
    newest = [listed(post) for post in posts(language)[:NEWEST_ON_HOME]]
    return render(request, "content/home.html", {"suggestions": suggestions, "posts": newest})


@gzip_page
def page(request: HttpRequest, slug: str) -> HttpResponse:
    document = published_or_404("pages", slug)
    template = select_template([f"content/pages/{slug}.html", "content/page.html"])
    context = {"page": document.meta, "document": document, **_text(render_document(library(), document))}
    return HttpResponse(template.render(context, request))


@gzip_page
def post(request: HttpRequest, slug: str) -> HttpResponse:
    document = published_or_404("posts", slug)
    order = posts(document.language)
    at = order.index(document)
    text = render_document(library(), document)
    context = {
        "post": document.meta,
        "document": document,
        "topics": listed(document).topics,
        "reading_minutes": text.minutes,
        "newer": listed(order[at - 1]) if at else None,
        "older": listed(order[at + 1]) if at + 1 < len(order) else None,
        **_text(text),
    }
    return render(request, "content/post.html", context)


@gzip_page
def blog(request: HttpRequest) -> HttpResponse:
    language = current_language()
    context = {"posts": [listed(each) for each in posts(language)], "topics": topics(language)}
    return render(request, "content/blog.html", context)


@gzip_page
def archive(request: HttpRequest) -> HttpResponse:
    by_year = groupby(posts(current_language()), key=lambda each: each.meta.published.year)
    years = [{"year": year, "posts": [listed(each) for each in found]} for year, found in by_year]
    return render(request, "content/archive.html", {"years": years})


@gzip_page
def topic(request: HttpRequest, slug: str) -> HttpResponse:
    language = current_language()
    found = next((each for each in topics(language) if each.slug == slug), None)
    if found is None:
        raise Http404
    about = [listed(each) for each in posts(language) if slug in each.meta.topics]
    documents = [listed(each) for each in library().published("knowledge", language) if slug in each.meta.topics]
    return render(request, "content/topic.html", {"topic": found, "posts": about, "documents": documents})


@gzip_page
def knowledge_list(request: HttpRequest) -> HttpResponse:
    documents = [listed(each) for each in library().published("knowledge", current_language())]
    documents.sort(key=lambda each: each.title)
    return render(request, "content/knowledge_list.html", {"documents": documents})


@gzip_page
def knowledge(request: HttpRequest, slug: str) -> HttpResponse:
    document = published_or_404("knowledge", slug)
    context = {
        "page": document.meta,
        "document": document,
        "topics": listed(document).topics,
        "sections": section_html(library(), document),
        "questions": [{"ask": pair.ask[0], "answer": pair.answer} for pair in document.meta.questions],
    }
    return render(request, "content/knowledge.html", context)


def method(request: HttpRequest) -> HttpResponse:
    """The method's old address, which receipts in people's hands still name."""
    return redirect(reverse("content:page", args=["frugality"]), permanent=True)


def published_or_404(kind: str, slug: str) -> Document:
    """Return the document in the language of the address; a draft is as absent as one that never was."""
    document = library().find(kind, slug, current_language())
    if document is None:
        raise Http404
    return document


def _text(text: Rendered) -> dict[str, object]:
    return {"body": text.html, "contents": text.contents}
