"""The feed of posts in a language (Atom, RFC 4287), each with its whole text and absolute addresses."""

import html
import re
from datetime import UTC, date, datetime, time
from typing import Any

from django.conf import settings
from django.utils import translation
from django.utils.feedgenerator import Atom1Feed
from django.utils.translation import gettext as _
from django.utils.xmlutils import SimplerXMLGenerator

from content.documents import Document
from content.head import absolute
from content.library import address, library
from content.rendering import render
from content.site import path_of, posts, topic_name

NEWEST = 20

# Attributes of our own HTML, in which every quotation mark of an author is escaped.
ADDRESS = re.compile(r' (href|src)="([/#][^"]*)"')
# A diagram takes its looks from our style sheets, which no feed reader loads: its description stands for it.
DIAGRAM = re.compile(r'<div class="figure-frame"[^>]* aria-label="([^"]*)"[^>]*><svg.*?</svg></div>', re.DOTALL)


class PostFeed(Atom1Feed):
    """Django's Atom with the text of an entry, and a day of change that is the content's and not the clock's."""

    def add_item_elements(self, handler: SimplerXMLGenerator, item: dict[str, Any]) -> None:
        super().add_item_elements(handler, item)
        handler.addQuickElement("content", item["content"], {"type": "html"})

    def latest_post_date(self) -> datetime:
        dates = [item["updateddate"] for item in self.items]
        return max(dates, default=_moment(_newest_day()))


def feed(language: str) -> str:
    """Return the newest posts of a language as an Atom feed."""
    with translation.override(language):
        atom = PostFeed(
            title=f"{settings.SITE_NAME} · {_('Notes from the machine room')}",
            link=absolute(path_of("content:blog", language)),
            description="",
            subtitle=_("How this site is built, what was measured, and where it misses its goals."),
            language=language,
            author_name=settings.SITE_NAME,
            author_link=absolute("/"),
            feed_url=absolute(path_of("content:feed", language)),
        )
        for post in posts(language)[:NEWEST]:
            permalink = absolute(address(post))
            atom.add_item(
                title=post.meta.title,
                link=permalink,
                description=post.meta.description,
                unique_id=permalink,
                pubdate=_moment(post.meta.published),
                updateddate=_moment(max(post.meta.updated, post.meta.published)),
                categories=[topic_name(topic, language) for topic in post.meta.topics],
                content=text_for_readers(post),
            )
        return str(atom.writeString("utf-8"))


def text_for_readers(post: Document) -> str:
    """Return a post's HTML as it can be read away from its page."""
    page = absolute(address(post))
    text = DIAGRAM.sub(lambda found: f"<p><em>{found[1]}</em></p>", str(render(library(), post).html))

    def with_host(found: re.Match[str]) -> str:
        target = html.unescape(found[2])
        whole = f"{page}{target}" if target.startswith("#") else absolute(target)
        return f' {found[1]}="{html.escape(whole)}"'

    return ADDRESS.sub(with_host, text)


def _newest_day() -> date:
    """Return when anything here changed last, for a feed that has no entry yet."""
    return max((each.meta.updated for each in library().by_address.values()), default=date(1970, 1, 1))


def _moment(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
