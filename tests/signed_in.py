"""Sessions of people, without going through the door."""

import re
import time

import httpx
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.test import Client

from accounts.models import User

METHODS, METHODS_OF = "account_authentication_methods", "account_authentication_methods_user"


def sign_in(client: Client, user: User, *methods: str, at: float | None = None) -> None:
    """Sign ``user`` in as if they had just proven ``methods``: ``code``, ``mfa``, ``link``.

    ``mfa`` is an authenticator app, which they are given if they have no factor yet.
    """
    client.force_login(user)
    session = client.session
    shown = {"id": _factor_of(user).pk} if "mfa" in methods else {}
    when = time.time() if at is None else at
    session[METHODS] = [{"method": method, "at": when, **(shown if method == "mfa" else {})} for method in methods]
    session[METHODS_OF] = str(user.pk)
    session.save()


def sign_in_as_staff(client: Client, user: User) -> None:
    """Sign a member of staff in with code and second factor."""
    sign_in(client, user, "code", "mfa")


def app_code(secret: str, *, period: int = 0) -> str:
    """Return what an authenticator app shows for ``secret``, ``period`` half minutes from now."""
    counter = int(time.time()) // 30 + period
    return format_hotp_value(hotp_value(secret.replace(" ", ""), counter))


def enter_workbench(client: httpx.Client, link: str) -> None:
    """Follow a link of ``make_staff`` over HTTP and add an app, which opens the admin. Once for each person."""
    entered = client.post(link, data=_token(client.get(link)))
    assert entered.status_code == 302, entered.text[:500]
    base = link.partition("/accounts/")[0]
    page = client.get(f"{base}/accounts/factors/app/")
    added = client.post(f"{base}/accounts/factors/app/", data=_token(page) | {"code": app_code(secret_on(page.text))})
    assert added.status_code == 302, added.text[:500]


def secret_on(page: str) -> str:
    """Return the key on the page that adds an app."""
    found = re.search(r'class="door-secret">([A-Z2-7 ]+)<', page)
    assert found, page[:500]
    return found.group(1)


def _factor_of(user: User) -> Authenticator:
    found = Authenticator.objects.filter(user=user, type__in=["totp", "webauthn"]).first()
    return found or TOTP.activate(user, generate_totp_secret()).instance


def _token(page: httpx.Response) -> dict[str, str]:
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found, page.text[:500]
    return {"csrfmiddlewaretoken": found.group(1)}
