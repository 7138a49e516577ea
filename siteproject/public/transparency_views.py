"""The transparency page and the same as JSON: for everyone alike, so any cache may keep them for a minute."""

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe

from siteproject.public.transparency import KEPT_S
from siteproject.public.transparency import transparency as read

GZIP = GZipMiddleware(lambda _request: HttpResponse())
CACHE_CONTROL = f"public, max-age={KEPT_S:.0f}"


@require_safe
async def transparency(request: HttpRequest) -> HttpResponse:
    """Everything on record, and 503 while there is nothing to give out."""
    found = await read()
    status = 200 if found.records else 503
    response = HttpResponse(msgspec.json.encode(found), content_type="application/json", status=status)
    response["Cache-Control"] = CACHE_CONTROL if found.current else "no-store"
    return response


@require_safe
async def page(request: HttpRequest, language: str) -> HttpResponseBase:
    """The same for readers, without script. What cannot be read is said; the rest stands."""
    found = await read()
    with translation.override(language):
        response = render(request, "transparency/page.html", {"found": found, "records": found.records})
    response["Content-Language"] = language
    response["Cache-Control"] = CACHE_CONTROL if found.current else "no-store"
    # Nothing of the request and no secret is in it, so its size may tell what it likes.
    return GZIP.process_response(request, response)
