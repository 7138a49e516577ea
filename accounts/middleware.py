"""Pages about people: in their language, and for staff only after the second factor."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import gettext as _
from psycopg_pool import PoolTimeout
from redis.exceptions import RedisError

from accounts import proof
from accounts.models import User

Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]
STORES_AWAY = (OperationalError, InterfaceError, PoolTimeout, RedisError)
SESSION_KEY = "language"
PAGES = ("/accounts/", "/account/")
SPEAKING = (*PAGES, "/admin/")  # addresses without a language of their own
# Where staff without a proven factor can go: in, out, and where a factor is added or proven.
OPEN_TO_UNPROVEN_STAFF = frozenset(
    f"accounts:{name}"
    for name in (
        "enter",
        "code",
        "code-send",
        "factor",
        "passkey-options",
        "passkey-enter",
        "leave",
        "staff-enter",
        "proof",
        "proof-send",
        "proof-code",
        "proof-factor",
        "factors",
        "passkey-add",
        "app-add",
        "app-picture",
        "recovery-codes",
    )
)


class AccountPagesMiddleware:
    """These addresses name no language: the link or form that leads there does, or the person, or the browser."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)  # an object with an asynchronous __call__

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(SPEAKING):
            try:
                language = await _language(request)
            except STORES_AWAY:
                return _restarting()  # at once: the view would wait for the same store a second time
            if language:
                translation.activate(language)
                request.LANGUAGE_CODE = translation.get_language()
        return await self.get_response(request)

    async def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Send staff who have not proven a second factor in this session to where they can."""
        if not request.path.startswith(PAGES):
            return None
        try:
            user = await request.auser()
            name = request.resolver_match.view_name if request.resolver_match else ""
            if not isinstance(user, User) or not user.is_staff or name in OPEN_TO_UNPROVEN_STAFF:
                return None
            proven = await sync_to_async(proof.has_factor)(request, user)
        except STORES_AWAY:
            # Whoever it is, nobody can say whether they may see the page.
            return _restarting()
        return None if proven else redirect("accounts:factors")


def _restarting() -> HttpResponse:
    return HttpResponse(_("A part of this site is restarting."), status=503, headers={"Retry-After": "5"})


async def _language(request: HttpRequest) -> str:
    """Return the language a page of these is to be in, "" to leave it to the browser. Raises what the stores do."""
    asked = request.GET.get("language", "")
    if asked in dict(settings.LANGUAGES):
        return asked
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return ""
    user = await request.auser()
    kept = user.language if isinstance(user, User) else await request.session.aget(SESSION_KEY, "")
    return kept if kept in dict(settings.LANGUAGES) else ""
