"""Error pages: one JSON shape for machines, a page in the reader's language for people.

A page is rendered without the request: it cannot touch a session, a person or the database, whose absence may be
the very thing it tells about. ``error_page`` gives the same pages to an edge that serves files.
"""

import re
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

MACHINES = re.compile(r"^/(api|v1|health|account/api)\b")
LIVE = re.compile(r"^/live/([^/]+)/")
# Pages whose address says nothing about a language; their readers' browsers do.
WITHOUT_LANGUAGE = re.compile(r"^/(admin|accounts|account)\b")
STORES_BACK_S = 5


@dataclass(frozen=True, slots=True)
class Words:
    """``code`` is part of the API; title and message are for people, and the message says what to do next."""

    code: str
    title: Promise
    message: Promise


WORDS = {
    400: Words(
        "invalid",
        _("This request cannot be read."),
        _("Something in it is missing or malformed. Go back and try it once more."),
    ),
    403: Words(
        "forbidden",
        _("This door is closed to you."),
        _("You may not see this page. If you should, ask the people behind this site to let you in."),
    ),
    404: Words(
        "not_found",
        _("There is no page here."),
        _("The address may be misspelt, or the page has moved. The first page leads to all the others."),
    ),
    413: Words(
        "too_large",
        _("This is more than one request can carry."),
        _("Nothing of it was kept. Go back, shorten it and send it again."),
    ),
    429: Words(
        "rate_limited",
        _("That was a lot in a short time."),
        _("Nothing is wrong with your request. Wait a little, then send it again."),
    ),
    500: Words(
        "error",
        _("Something broke on our side."),
        _("It is not your doing. The error is in our log, without your words. Please try again in a moment."),
    ),
    503: Words(
        "unavailable",
        _("A part of this site is restarting."),
        _("Nothing is lost. Wait a few seconds, then try again."),
    ),
}
CSRF = Words(
    "csrf",
    _("This form can no longer be sent."),
    _("It was open for too long, or your browser keeps no cookies. Go back, reload the page and send it once more."),
)
# Without templates and catalogs: what is left to say when one of these is what broke.
BARE_PAGE = """<!doctype html>
<html lang="{}"><meta charset="utf-8"><meta name="robots" content="noindex"><title>{}</title>
<h1>{}</h1>
<p>{}</p>
<p><a href="/">{}</a></p>
</html>
"""


def error_page(
    status: int,
    language: str,
    *,
    words: Words | None = None,
    request_id: str | None = None,
    retry_after_s: int | None = None,
) -> str:
    """Return the HTML of an error page. ``status`` is one of ``WORDS`` unless ``words`` are given."""
    words = words or WORDS[status]
    with translation.override(language):
        context = {
            "code": status,
            "title": words.title,
            "message": words.message,
            "request_id": request_id,
            "retry_after_s": retry_after_s,
        }
        # The context processors want a request; this one has been sent by nobody.
        return render_to_string("error.html", context, HttpRequest())


def language_of(path: str, accept_language: str = "") -> str:
    """Return the language of an error at ``path``: the address's own, or the browser's where it has none."""
    if WITHOUT_LANGUAGE.match(path):
        asked = HttpRequest()
        asked.META["HTTP_ACCEPT_LANGUAGE"] = accept_language
        return translation.get_language_from_request(asked)
    live = LIVE.match(path)
    if live and live.group(1) in dict(settings.LANGUAGES):
        return live.group(1)
    return translation.get_language_from_path(path) or settings.LANGUAGE_CODE


def problem(
    request: HttpRequest, status: int, *, words: Words | None = None, retry_after_s: int | None = None
) -> HttpResponse:
    """Return an error in the shape and the language that suit who asked."""
    request_id = getattr(request, "request_id", None)
    language = language_of(request.path, request.headers.get("Accept-Language", ""))
    response: HttpResponse
    if MACHINES.match(request.path):
        said = words or WORDS[status]
        with translation.override(language):
            error = {"code": said.code, "message": str(said.message), "request_id": request_id}
        if retry_after_s is not None:
            error["retry_after_s"] = retry_after_s
        response = JsonResponse({"error": error}, status=status)
    else:
        page = error_page(status, language, words=words, request_id=request_id, retry_after_s=retry_after_s)
        response = HttpResponse(page, status=status)
        response["Content-Language"] = language
        if WITHOUT_LANGUAGE.match(request.path):
            patch_vary_headers(response, ["Accept-Language"])
    if retry_after_s is not None:
        response["Retry-After"] = str(retry_after_s)
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem(request, 400)


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem(request, 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its token. ``reason`` is Django's, for developers; it helps no reader."""
    return problem(request, 403, words=CSRF)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return problem(request, 404)


def unavailable(request: HttpRequest) -> HttpResponse:
    """A store is away: nothing was lost, and waiting helps."""
    return problem(request, 503, retry_after_s=STORES_BACK_S)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page for our own faults; when that page itself is the fault, one without a template."""
    try:
        return problem(request, 500)
    except Exception:
        return HttpResponse(bare_page(), status=500)


def bare_page() -> str:
    """Return the page for a fault in what pages are made of, in English: catalogs may be what broke."""
    title, message = "Something broke on our side.", "It is not your doing. Please try again in a moment."
    return format_html(BARE_PAGE, "en", title, title, message, "To the first page")


def design(request: HttpRequest) -> HttpResponse:
    """The component page of the design system, with ``bin/up --debug`` only."""
    return render(request, "design.html")
