"""A person's passkeys, authenticator app and recovery codes. Each change wants fresh proof: ``factors.opened_by``."""

from http import HTTPStatus
from io import BytesIO

import qrcode
from allauth.mfa.adapter import get_adapter
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from qrcode.image.svg import SvgPathImage

from accounts import factors, proof
from accounts.errors import FactorRefused
from accounts.forms import CredentialForm, FactorCodeForm
from accounts.models import User
from accounts.pages import account_page
from accounts.proof import fresh_proof_required

adding = fresh_proof_required(enough=factors.opened_by)
changing = fresh_proof_required(back="accounts:factors", enough=factors.opened_by)


@never_cache
@account_page
@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Show what there is, and where to add to it."""
    user = _person(request)
    needed = user.is_staff and not proof.has_factor(request, user)
    return render(request, "accounts/factors.html", {"held": factors.of(user), "needed": needed})


@never_cache
@account_page
@adding
@require_http_methods(["GET", "POST"])
def passkey_add(request: HttpRequest) -> HttpResponse:
    """Add a passkey; the first factor of a person brings recovery codes, which are shown next."""
    user, problem = _person(request), False
    first = not factors.has_any(user)
    if request.method == "POST":
        form = CredentialForm(request.POST)
        try:
            if not form.is_valid():
                raise FactorRefused
            factors.add_passkey(request, user, form.cleaned_data["name"], form.cleaned_data["credential"])
            return redirect("accounts:recovery-codes" if first else "accounts:factors")
        except FactorRefused:
            problem = True
    context = {"options": factors.passkey_to_add(user), "problem": problem, "most": factors.MAX_NAME_CHARS}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    return render(request, "accounts/passkey_add.html", context, status=status)


@account_page
@changing
@require_POST
def passkey_rename(request: HttpRequest, pk: int) -> HttpResponse:
    factors.rename_passkey(_person(request), pk, request.POST.get("name", ""))
    return redirect("accounts:factors")


@never_cache
@account_page
@adding
@require_http_methods(["GET", "POST"])
def app_add(request: HttpRequest) -> HttpResponse:
    """Add an authenticator app once it shows the right code."""
    user = _person(request)
    first = not factors.has_any(user)
    if factors.of(user)["app"]:
        return redirect("accounts:factors")
    form = FactorCodeForm(request.POST or None)
    problem = False
    if request.method == "POST" and form.is_valid():
        try:
            factors.add_app(request, user, form.cleaned_data["code"])
            return redirect("accounts:recovery-codes" if first else "accounts:factors")
        except FactorRefused:
            problem = True
    # A wrong code keeps the secret: the app has it already.
    secret = factors.app_secret(fresh=request.method == "GET")
    context = {"form": form, "secret": _in_fours(secret), "address": _app_address(user, secret), "problem": problem}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem or form.errors else HTTPStatus.OK
    return render(request, "accounts/app_add.html", context, status=status)


@never_cache
@account_page
@adding
@require_GET
def app_picture(request: HttpRequest) -> HttpResponse:
    """Draw the app's address, for the camera of a phone: a picture of ours, because pages load no data: address."""
    file = BytesIO()
    qrcode.make(_app_address(_person(request), factors.app_secret()), image_factory=SvgPathImage).save(file)
    return HttpResponse(file.getvalue(), content_type="image/svg+xml", headers={"Cache-Control": "no-store"})


@never_cache
@account_page
@adding
@require_GET
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """Show the recovery codes that are left."""
    return render(request, "accounts/recovery_codes.html", {"codes": factors.recovery_codes(_person(request))})


@account_page
@changing
@require_POST
def recovery_codes_renew(request: HttpRequest) -> HttpResponse:
    factors.renew_recovery_codes(request, _person(request))
    return redirect("accounts:recovery-codes")


@account_page
@changing
@require_http_methods(["GET", "POST"])
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then remove a passkey or the app."""
    user = _person(request)
    held = factors.of(user)
    row = next((each for each in [*held["passkeys"], held["app"]] if each and each.pk == pk), None)
    if row is None:
        return redirect("accounts:factors")
    last = len(held["passkeys"]) + bool(held["app"]) == 1
    refused = user.is_staff and last
    if request.method == "POST" and not refused:
        factors.remove(user, pk)
        return redirect("accounts:factors")
    return render(request, "accounts/factor_remove.html", {"row": row, "last": last, "refused": refused})


def _app_address(user: User, secret: str) -> str:
    return str(get_adapter().build_totp_url(user, secret))


def _in_fours(secret: str) -> str:
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # account_page
    return request.user
