"""What a session has proven, and when: how somebody came in, a second factor, something fresh.

allauth keeps these records in the session, one for each proof: ``{"method": "code", "at": 1701423602.7}``. Methods are
``code`` (by mail), ``mfa`` (passkey, app or recovery code) and ``link`` (``make_staff``).
"""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from accounts.models import User

View = Callable[..., HttpResponse]
Enough = Callable[[User], tuple[str, ...]]
FACTOR = "mfa"
LINK = "link"
FRESH = ("code", FACTOR)


def record(request: HttpRequest, user: User, method: str, **facts: Any) -> None:
    """Note in the session what ``user`` has just proven."""
    record_authentication(request, user, method, **facts)


def is_fresh(request: HttpRequest, *methods: str) -> bool:
    """Whether one of ``methods`` (a code or a factor unless given) was proven in the last half hour."""
    oldest = time.time() - settings.PROOF_AGE_S
    return any(
        each.get("method") in (methods or FRESH) and each.get("at", 0) > oldest
        for each in _records(request, request.user)  # type: ignore[arg-type]  # nobody has no records
    )


def has_factor(request: HttpRequest, user: User) -> bool:
    """Whether this session has proven a second factor of ``user``, at any time, that the person still has."""
    return any(each.get("method") == FACTOR for each in _records(request, user))


def fresh_proof_required(view: View | None = None, *, back: str = "", enough: Enough | None = None) -> Any:
    """Let a view run only for somebody who has proven within half an hour that it is them; send others to prove it.

    After the proof they are sent to the same address, or for a view that takes no GET to the one named ``back``.
    ``enough`` says which methods open this view to a person; a code or a factor unless given.
    """

    def require(view: View) -> View:
        @login_required
        @wraps(view)
        def proven(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            methods = enough(request.user) if enough and isinstance(request.user, User) else FRESH
            if is_fresh(request, *methods):
                return view(request, *args, **kwargs)
            wanted = {"next": reverse(back) if back else request.path}
            if methods == (FACTOR,):
                wanted["factor"] = "1"
            return redirect(f"{reverse('accounts:proof')}?{urlencode(wanted)}")

        return proven

    return require(view) if view else require


def _records(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    """Return what the session has proven, without factors that were removed or lost since."""
    records = list(get_authentication_records(request, user))
    shown = {each.get("id") for each in records if each.get("method") == FACTOR}
    held = set(Authenticator.objects.filter(user=user, pk__in=shown).values_list("pk", flat=True)) if shown else set()
    return [each for each in records if each.get("method") != FACTOR or each.get("id") in held]
