"""Addresses of what machines fetch: ``machine_patterns`` at the root, ``feed_patterns`` among the translated pages."""

from django.urls import path

from content import machine_views as views
from content.library import languages
from content.site import path_of
from content.sitemaps import sitemap_path

machine_patterns = [
    path("robots.txt", views.robots, name="robots"),
    path("llms.txt", views.llms, name="llms"),
    path("llms-full.txt", views.llms_full, name="llms-full"),
    path("ai.txt", views.ai, name="ai"),
    path("site.webmanifest", views.manifest, name="webmanifest"),
    path("sitemap.xml", views.sitemaps, name="sitemaps"),
    path("sitemap-<slug:language>.xml", views.language_sitemap, name="sitemap"),
]
feed_patterns = [
    path("blog/feed.xml", views.post_feed, name="feed"),
]


def machine_paths() -> list[str]:
    """Return every path of the two lists above, those with a language in each."""
    texts = ["/robots.txt", "/llms.txt", "/llms-full.txt", "/ai.txt", "/site.webmanifest", "/sitemap.xml"]
    sitemaps = [sitemap_path(code) for code in languages()]
    return [*texts, *sitemaps, *(path_of("content:feed", code) for code in languages())]
