"""What pages on other origins may ask: a question and public figures, as visitors, never as somebody signed in."""

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from siteproject.middleware import AsyncMiddleware

OPEN_TO_PAGES = re.compile(r"^/api/(chat|contact|facts|flags|me|prices|status)$")
METHODS = "GET, POST, OPTIONS"
HEADERS = "accept, content-type"
READABLE = "retry-after, x-request-id"
PREFLIGHT_GOOD_FOR_S = 7200  # the most that Chromium keeps


class CorsMiddleware(AsyncMiddleware):
    """Names the asker's origin where it is one of ``ALLOWED_ORIGINS``, and answers what browsers ask beforehand.

    ``Access-Control-Allow-Credentials`` is never sent, so a browser that was told to bring cookies gets no answer.
    """

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        if not OPEN_TO_PAGES.match(request.path):
            return await self.get_response(request)
        origin = request.headers.get("Origin", "")
        allowed = origin in settings.ALLOWED_ORIGINS
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response = HttpResponse(status=204)
            if allowed:
                response["Access-Control-Allow-Methods"] = METHODS
                response["Access-Control-Allow-Headers"] = HEADERS
                response["Access-Control-Max-Age"] = str(PREFLIGHT_GOOD_FOR_S)
        else:
            response = await self.get_response(request)
        if allowed:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Expose-Headers"] = READABLE
        patch_vary_headers(response, ("Origin",))
        return response
