"""What the head of a public page says to machines: where it stands in which language, what it is, its picture."""

import json
from dataclasses import dataclass
from functools import cached_property

from babel.core import get_global
from django.conf import settings
from django.utils import translation
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from content import cards
from content.documents import KINDS, Document
from content.library import address, languages, library
from content.site import TEMPLATE_PAGES, path_of, topic_name, topic_url

KIND_OF_PAGE = {kind.view: name for name, kind in KINDS.items()}

# Where a reader goes on who wants another language in which a page does not exist.
LIST_ABOVE = {
    "content:post": "content:blog",
    "content:topic": "content:blog",
    "content:knowledge": "content:knowledge-list",
}

# In a script element these could end it or begin a comment.
JSON_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


@dataclass(frozen=True)
class PageHead:
    """One public page in one language. ``alternates`` are the languages it exists in, this one among them, to paths."""

    view_name: str
    slug: str
    language: str
    title: str
    description: str
    alternates: dict[str, str]
    document: Document | None = None

    @property
    def path(self) -> str:
        return self.alternates[self.language]

    @property
    def url(self) -> str:
        return absolute(self.path)

    @property
    def hreflang(self) -> list[tuple[str, str]]:
        """The page's languages and addresses, with ``x-default``."""
        return hreflang(self.alternates)

    @property
    def feed(self) -> str:
        return absolute(path_of("content:feed", self.language))

    @property
    def locale(self) -> str:
        """The language with its likeliest country, as Open Graph wants it; empty for a language nobody knows."""
        likely = str(get_global("likely_subtags").get(self.language.partition("-")[0], ""))
        parts = likely.split("_")
        return f"{parts[0]}_{parts[2]}" if len(parts) == 3 else ""

    @cached_property
    def _card(self) -> tuple[cards.Card, str] | None:
        return cards.shared_card(self.document)

    @property
    def image(self) -> str | None:
        return absolute(self._card[1]) if self._card else None

    @property
    def image_words(self) -> str:
        """The words in the picture, for those who do not see it."""
        return self._card[0].title if self._card else ""

    @property
    def image_size(self) -> tuple[int, int]:
        return cards.WIDTH, cards.HEIGHT


def absolute(path: str) -> str:
    """Return the address of a path of ours: on ``SITE_URL``, whatever name a visitor reached us by."""
    return f"{settings.SITE_URL}{path}"


def hreflang(alternates: dict[str, str]) -> list[tuple[str, str]]:
    """Return languages and addresses of one page, with ``x-default`` where it exists in the site's first language."""
    found = [(code, absolute(path)) for code, path in alternates.items()]
    first = alternates.get(languages()[0])
    return [*found, ("x-default", absolute(first))] if first else found


def page_head(view_name: str, slug: str, language: str) -> PageHead | None:
    """Return what is known about the public page at ``view_name``; None when there is none."""
    if view_name in KIND_OF_PAGE:
        document = library().find(KIND_OF_PAGE[view_name], slug, language)
        if document is None:
            return None
        title, description = document.meta.title, document.meta.description
    elif view_name in TEMPLATE_PAGES or view_name == "content:topic":
        document = None
        with translation.override(language):
            title, description = _words(view_name, slug, language)
    else:
        return None
    alternates = page_alternates(view_name, slug)
    if language not in alternates:
        return None
    return PageHead(view_name, slug, language, title, description, alternates, document)


def page_alternates(view_name: str, slug: str) -> dict[str, str]:
    """Return the languages in which a public page exists, with its paths; empty when it is no public page."""
    if view_name in KIND_OF_PAGE:
        found = [library().find(KIND_OF_PAGE[view_name], slug, code) for code in languages()]
        return {document.language: address(document) for document in found if document}
    if view_name == "content:topic":
        return {code: topic_url(slug, code) for code in languages() if _has_topic(slug, code)}
    if view_name in TEMPLATE_PAGES:
        return {code: path_of(view_name, code) for code in languages()}
    return {}


def language_paths(view_name: str, slug: str) -> dict[str, str]:
    """Return where the switch of languages leads, for every language: to the same page, else to the list above it."""
    alternates = page_alternates(view_name, slug)
    above = LIST_ABOVE.get(view_name, "content:home")
    return {code: alternates.get(code) or path_of(above, code) for code in languages()}


def json_text(value: object) -> SafeString:
    """Return ``value`` as JSON that may stand in a script element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(JSON_ESCAPES)
    return mark_safe(text)  # noqa: S308 - nothing in it can end the element


def _has_topic(slug: str, language: str) -> bool:
    return any(
        slug in each.meta.topics for kind in KINDS if kind != "pages" for each in library().published(kind, language)
    )


def _words(view_name: str, slug: str, language: str) -> tuple[str, str]:
    """Return title and description of a page that is a template, in the words its own head uses."""
    if view_name == "content:topic":
        topic = topic_name(slug, language)
        return topic, _("Everything on this site about: %(topic)s.") % {"topic": topic}
    about = _(
        "A small assistant that shows its source before its answer, and says which model wrote what, "
        "on which machine, at what cost."
    )
    return {
        "content:home": (_("%(name)s: the source first, then the answer") % {"name": settings.SITE_NAME}, about),
        "content:chat": (
            _("Ask %(name)s") % {"name": settings.SITE_NAME},
            _(
                "Ask the assistant of this site: the passage it found comes first, then an answer with a receipt. "
                "No account needed, nothing stored without consent."
            ),
        ),
        "content:blog": (
            _("Notes from the machine room"),
            _("How this site is built, what was measured, and where it misses its goals."),
        ),
        "content:archive": (_("Archive"), _("Every post, by year.")),
        "content:knowledge-list": (
            _("What the assistant knows"),
            _("The short texts from which the assistant of this site answers first."),
        ),
    }[view_name]
