"""Sitemaps: one for each language and an index of them (sitemaps.org, with Google's links between languages).

Django's own take their host from the request and ``x-default`` from a cut path; ours stand on ``SITE_URL`` and name a
language only where the page exists in it.
"""

from datetime import date
from io import StringIO
from xml.sax.xmlreader import AttributesImpl

from django.utils.xmlutils import SimplerXMLGenerator

from content.head import absolute, hreflang
from content.library import languages
from content.site import PublicPage, public_pages

SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
XHTML = "http://www.w3.org/1999/xhtml"


def sitemap_index() -> str:
    """Return the list of sitemaps, each with the day of its newest page."""
    xml, text = _document()
    xml.startElement("sitemapindex", AttributesImpl({"xmlns": SITEMAP}))
    pages = public_pages()
    for code in languages():
        xml.startElement("sitemap", AttributesImpl({}))
        xml.addQuickElement("loc", absolute(sitemap_path(code)))
        _last_changed(
            xml, max((page.updated for page in pages if page.language == code and page.updated), default=None)
        )
        xml.endElement("sitemap")
    return _ended(xml, text, "sitemapindex")


def sitemap(language: str) -> str:
    """Return every public page of a language with its addresses in all languages it exists in, by path."""
    xml, text = _document()
    xml.startElement("urlset", AttributesImpl({"xmlns": SITEMAP, "xmlns:xhtml": XHTML}))
    for page in public_pages():
        if page.language == language:
            _page(xml, page)
    return _ended(xml, text, "urlset")


def sitemap_path(language: str) -> str:
    return f"/sitemap-{language}.xml"


def _page(xml: SimplerXMLGenerator, page: PublicPage) -> None:
    xml.startElement("url", AttributesImpl({}))
    xml.addQuickElement("loc", absolute(page.path))
    _last_changed(xml, page.updated)
    for code, url in hreflang(page.alternates):
        attributes = {"rel": "alternate", "hreflang": code, "href": url}
        xml.addQuickElement("xhtml:link", None, attributes)
    xml.endElement("url")


def _last_changed(xml: SimplerXMLGenerator, day: date | None) -> None:
    if day:
        xml.addQuickElement("lastmod", day.isoformat())


def _document() -> tuple[SimplerXMLGenerator, StringIO]:
    text = StringIO()
    xml = SimplerXMLGenerator(text, "utf-8", short_empty_elements=True)
    xml.startDocument()
    return xml, text


def _ended(xml: SimplerXMLGenerator, text: StringIO, root: str) -> str:
    xml.endElement(root)
    xml.endDocument()
    return text.getvalue()
