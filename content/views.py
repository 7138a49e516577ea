"""Public pages: no cookie, no live figure, no secret, the same bytes for everyone, so they may be compressed."""

from dataclasses import dataclass

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.views.decorators.gzip import gzip_page

from content.documents import Document
from content.machine import ai_txt, llms_txt
from content.passages import address, approved_pairs, library
from content.rendering import section_html

# What a first-time visitor may want to know; the first approved question of each.
SUGGESTED = ("conversations", "how-an-answer-is-made", "model", "energy")


@dataclass(frozen=True, slots=True)
class Listed:
    """A document as a list shows it."""

    title: str
    description: str
    url: str
    topics: tuple[str, ...]


def published(language: str) -> list[Document]:
    """Return the published knowledge documents of a language, by title."""
    found = [
        document
        for document in library().documents
        if document.published and document.language == language and document.kind == "knowledge"
    ]
    return sorted(found, key=lambda document: document.meta.title)


@gzip_page
def home(request: HttpRequest) -> HttpResponse:
    first = {pair.document: pair.questions[0] for pair in reversed(approved_pairs(get_language() or ""))}
    suggestions = [first[slug] for slug in SUGGESTED if slug in first]
    return render(request, "content/home.html", {"suggestions": suggestions})


@gzip_page
def knowledge_list(request: HttpRequest) -> HttpResponse:
    documents = [
        Listed(document.meta.title, document.meta.description, address(document), tuple(document.meta.topics))
        for document in published(get_language() or settings.LANGUAGE_CODE)
    ]
    return render(request, "content/knowledge_list.html", {"documents": documents})


@gzip_page
def knowledge(request: HttpRequest, slug: str) -> HttpResponse:
    document = next((one for one in published(get_language() or "") if one.slug == slug), None)
    if document is None:
        raise Http404
    context = {
        "document": document.meta,
        "sections": section_html(document),
        "questions": [{"ask": pair.ask[0], "answer": pair.answer} for pair in document.meta.questions],
    }
    return render(request, "content/knowledge.html", context)


@gzip_page
def imprint(request: HttpRequest) -> HttpResponse:
    context = {"imprint_name": settings.IMPRINT_NAME, "imprint_address": settings.IMPRINT_ADDRESS}
    return render(request, "content/imprint.html", context)


@gzip_page
def llms(request: HttpRequest) -> HttpResponse:
    return HttpResponse(llms_txt(), content_type="text/plain; charset=utf-8")


@gzip_page
def ai(request: HttpRequest) -> HttpResponse:
    return HttpResponse(ai_txt(), content_type="text/plain; charset=utf-8")


def robots(request: HttpRequest) -> HttpResponse:
    hidden = "".join(f"Disallow: {path}\n" for path in ("/api/", "/live/", "/admin/", "/accounts/"))
    return HttpResponse(f"User-agent: *\n{hidden}", content_type="text/plain; charset=utf-8")
