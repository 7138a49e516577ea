"""Request ids, errors of the stores, and the headers that Django has no setting for."""

import re
import uuid
from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from siteproject.errors import unavailable
from siteproject.logs import request_id

Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]

PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("accelerometer", "camera", "geolocation", "gyroscope", "microphone", "payment", "usb")
)
ALWAYS_FRESH = re.compile(r"^/(api|account|accounts|admin|live|health)\b")
READS_COOKIES = re.compile(r"^/(admin|accounts|account|api|live)(/|$)")
# Where a form of ours stands, or its token is asked for.
TAKES_FORMS = re.compile(r"^/(admin|accounts|account|api/me)(/|$)")
# What a page or a cache that asks again needs, and a file whose name holds its digest does not.
NOT_FOR_FILES = ("X-Request-Id", "Cross-Origin-Opener-Policy", "Last-Modified")
SANE_ID = re.compile(r"^[A-Za-z0-9._-]{8,64}$")


class AsyncMiddleware:
    """A middleware of the asynchronous chain; Django adapts synchronous callers by itself."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)  # type: ignore[type-var]  # an object with an asynchronous __call__


class LeanFilesMiddleware(AsyncMiddleware):
    """A first visit loads two dozen files, so what each says of itself is weight: leave out what nobody reads there."""

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        response = await self.get_response(request)
        if "immutable" in response.get("Cache-Control", ""):
            for name in NOT_FOR_FILES:
                del response[name]
        return response


class RequestIdMiddleware(AsyncMiddleware):
    """Name each request: in the logs, in ``x-request-id``, in every error."""

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        name = uuid.uuid4().hex
        token = request_id.set(name)
        request.request_id = name  # type: ignore[attr-defined]
        try:
            response = await self.get_response(request)
        finally:
            request_id.reset(token)
        response["X-Request-Id"] = name
        theirs = request.headers.get("X-Request-Id", "")
        if SANE_ID.match(theirs):
            response["X-Client-Request-Id"] = theirs
        return response


class HeadersMiddleware(AsyncMiddleware):
    """Permissions policy for every page, no cookie for readers, and no caching where an answer belongs to one person
    or one moment.

    Django replaces a cookie that it cannot read, a session's or a form token's, on whatever page it came. So public
    pages read none, and a token goes out only where there is a form to send it with.
    """

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        if not READS_COOKIES.match(request.path):
            request.COOKIES.clear()
        response = await self.get_response(request)
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        if not TAKES_FORMS.match(request.path):
            response.cookies.pop(settings.CSRF_COOKIE_NAME, None)
        if response.cookies:
            response["Cache-Control"] = "private, no-store"
        elif ALWAYS_FRESH.match(request.path):
            response.setdefault("Cache-Control", "no-store")
        return response


class StoresMiddleware(AsyncMiddleware):
    """A database or Redis that is away is a 503 with Retry-After, not a fault of ours."""

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        return await self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, OperationalError | InterfaceError | PoolTimeout | RedisError):
            return unavailable(request)
        return None
