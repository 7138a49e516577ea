"""What machines fetch: the same for everyone, without cookie, so it may be compressed and kept."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import get_language
from django.views.decorators.gzip import gzip_page

from content.feeds import feed
from content.library import languages
from content.machine import ai_txt, llms_full_txt, llms_txt, made, robots_txt, webmanifest
from content.sitemaps import sitemap, sitemap_index

TEXT, XML = "text/plain; charset=utf-8", "application/xml; charset=utf-8"


@gzip_page
def robots(request: HttpRequest) -> HttpResponse:
    return HttpResponse(robots_txt(), content_type=TEXT)


@gzip_page
def llms(request: HttpRequest) -> HttpResponse:
    return HttpResponse(made(llms_txt), content_type=TEXT)


@gzip_page
def llms_full(request: HttpRequest) -> HttpResponse:
    return HttpResponse(made(llms_full_txt), content_type=TEXT)


@gzip_page
def ai(request: HttpRequest) -> HttpResponse:
    return HttpResponse(made(ai_txt), content_type=TEXT)


@gzip_page
def manifest(request: HttpRequest) -> HttpResponse:
    return JsonResponse(webmanifest(), content_type="application/manifest+json")


@gzip_page
def sitemaps(request: HttpRequest) -> HttpResponse:
    return HttpResponse(made(sitemap_index), content_type=XML)


@gzip_page
def language_sitemap(request: HttpRequest, language: str) -> HttpResponse:
    if language not in languages():
        raise Http404
    return HttpResponse(made(sitemap, language), content_type=XML)


@gzip_page
def post_feed(request: HttpRequest) -> HttpResponse:
    language = get_language() or languages()[0]
    return HttpResponse(made(feed, language), content_type="application/atom+xml; charset=utf-8")
