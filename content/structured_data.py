"""Pages described in schema.org's words (JSON-LD): made from settings and committed files, never from the database."""

from typing import Any

from django.conf import settings
from django.templatetags.static import static
from django.utils import translation
from django.utils.translation import gettext as _

from content.documents import Document
from content.head import LIST_ABOVE, PageHead, absolute
from content.library import address, languages, library
from content.site import path_of, topic_name

Node = dict[str, Any]

TYPES = {"posts": "BlogPosting", "knowledge": "Article", "pages": "Article"}
LISTS = ("content:blog", "content:archive", "content:topic", "content:knowledge-list")

# schema.org's names for the IPTC's digital source types trainedAlgorithmicMedia, made by a generative model, and
# compositeWithTrainedAlgorithmicMedia, a person's work and a model's together.
BY_MODEL = "https://schema.org/TrainedAlgorithmicMediaDigitalSource"
BY_PERSON_AND_MODEL = "https://schema.org/CompositeWithTrainedAlgorithmicMediaDigitalSource"


def graph(page: PageHead) -> Node:
    """Return everything a page says about itself and the site, as one JSON-LD object."""
    nodes = [_organisation(), _website(page)]
    if page.document:
        nodes.append(_article(page, page.document))
        nodes += _faq(page, page.document)
    else:
        nodes.append(_page(page))
    trail = breadcrumbs(page)
    if len(trail) > 1:
        nodes.append(_breadcrumb_list(page, trail))
    return {"@context": "https://schema.org", "@graph": nodes}


def digital_source_type(document: Document) -> str | None:
    """Return where a text comes from as far as it concerns AI; None for a text without.

    A front matter knows that an AI helped, not how much. Until a person has put a name to a review we claim nobody's
    share in it.
    """
    if not document.meta.ai_assisted:
        return None
    return BY_PERSON_AND_MODEL if document.meta.reviewed_by else BY_MODEL


def breadcrumbs(page: PageHead) -> list[tuple[str, str]]:
    """Return the names and addresses of the pages above this one, and itself at the end."""
    trail = [(settings.SITE_NAME, absolute(path_of("content:home", page.language)))]
    with translation.override(page.language):
        lists = {"content:blog": _("Blog"), "content:knowledge-list": _("Knowledge")}
    above = "content:blog" if page.view_name == "content:archive" else LIST_ABOVE.get(page.view_name)
    if above:
        trail.append((lists[above], absolute(path_of(above, page.language))))
    if page.view_name != "content:home":
        trail.append((lists.get(page.view_name, page.title), page.url))
    return trail


def _organisation() -> Node:
    """Return who runs the site. The postal address is on the imprint alone: it may be somebody's home."""
    logo = absolute(static("icons/icon-512.png"))
    node: Node = {
        "@type": "Organization",
        "@id": absolute("/#organization"),
        "name": settings.SITE_NAME,
        "url": absolute("/"),
        "logo": {"@type": "ImageObject", "url": logo, "width": 512, "height": 512},
    }
    if settings.IMPRINT_NAME:
        node["legalName"] = settings.IMPRINT_NAME
    if settings.CONTACT_EMAIL:
        node["email"] = settings.CONTACT_EMAIL
    return node


def _website(page: PageHead) -> Node:
    node: Node = {
        "@type": "WebSite",
        "@id": absolute("/#website"),
        "name": settings.SITE_NAME,
        "url": absolute("/"),
        "inLanguage": list(languages()),
        "publisher": {"@id": absolute("/#organization")},
    }
    if page.view_name == "content:home":
        node["potentialAction"] = {
            "@type": "SearchAction",
            "target": {
                "@type": "EntryPoint",
                "urlTemplate": f"{settings.CHAT_URL}/live/{page.language}/search/?q={{search_term_string}}",
            },
            "query-input": "required name=search_term_string",
        }
    return node


def _page(page: PageHead) -> Node:
    return {
        "@type": "CollectionPage" if page.view_name in LISTS else "WebPage",
        "@id": page.url,
        "url": page.url,
        "name": page.title,
        "description": page.description,
        "inLanguage": page.language,
        "isPartOf": {"@id": absolute("/#website")},
    }


def _article(page: PageHead, document: Document) -> Node:
    meta = document.meta
    node: Node = {
        "@type": TYPES[document.kind],
        "@id": f"{page.url}#article",
        "url": page.url,
        "mainEntityOfPage": page.url,
        "headline": meta.title,
        "description": meta.description,
        "inLanguage": document.language,
        "dateModified": meta.updated.isoformat(),
        "author": {"@id": absolute("/#organization")},
        "publisher": {"@id": absolute("/#organization")},
        "isPartOf": {"@id": absolute("/#website")},
        "keywords": [topic_name(topic, document.language) for topic in meta.topics],
        "wordCount": library().body(document).words,
    }
    if document.kind == "posts":
        node["datePublished"] = meta.published.isoformat()
    if document.kind == "pages":
        node["version"] = meta.version
    if page.image:
        width, height = page.image_size
        node["image"] = {"@type": "ImageObject", "url": page.image, "width": width, "height": height}
    if meta.sources:
        node["citation"] = [
            {"@type": "CreativeWork", "name": source.title, "url": source.url} for source in meta.sources
        ]
    source_type = digital_source_type(document)
    if source_type:
        node["digitalSourceType"] = source_type
    return node


def _faq(page: PageHead, document: Document) -> list[Node]:
    """Return the questions a person approved the answers to; what is made in the admin has no place here."""
    questions = getattr(document.meta, "questions", [])
    if not questions:
        return []
    entries = [
        {
            "@type": "Question",
            "name": question.ask[0],
            "acceptedAnswer": {
                "@type": "Answer",
                "text": " ".join(question.answer.split()),
                "url": absolute(address(document, question.section)),
            },
        }
        for question in questions
    ]
    return [
        {
            "@type": "FAQPage",
            "@id": f"{page.url}#faq",
            "url": page.url,
            "inLanguage": document.language,
            "isPartOf": {"@id": absolute("/#website")},
            "mainEntity": entries,
        }
    ]


def _breadcrumb_list(page: PageHead, trail: list[tuple[str, str]]) -> Node:
    items = [
        {"@type": "ListItem", "position": place, "name": name, "item": url}
        for place, (name, url) in enumerate(trail, start=1)
    ]
    return {"@type": "BreadcrumbList", "@id": f"{page.url}#breadcrumbs", "itemListElement": items}
