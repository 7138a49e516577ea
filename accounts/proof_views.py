"""Proving once more who it is: a code by mail, a passkey, or the second factor that staff need."""

from http import HTTPStatus

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import codes, factors, proof
from accounts.errors import CodeRefused, FactorRefused, MailUnavailable, TooMany
from accounts.forms import CodeForm
from accounts.models import SignInCode, User
from accounts.views import next_of, place_of, proven_factor, waiting

PENDING = "proof"  # in the session: which code is waited for
PROOF = SignInCode.Purpose.PROOF


@never_cache
@login_required
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Offer the ways to prove it."""
    return _page(request)


@never_cache
@login_required
@require_POST
def send(request: HttpRequest) -> HttpResponse:
    """Send a code to the person's own address."""
    user = _person(request)
    try:
        row = codes.send(user.email, PROOF, place_of(request), get_language() or settings.LANGUAGE_CODE)
    except TooMany as limit:
        return _page(request, HTTPStatus.TOO_MANY_REQUESTS, **waiting(limit))
    except MailUnavailable:
        return _page(request, HTTPStatus.SERVICE_UNAVAILABLE, mail_away=True)
    request.session[PENDING] = str(row.public_id)
    return redirect(f"{reverse('accounts:proof-code')}?{urlencode({'next': next_of(request)})}")


@never_cache
@login_required
@require_http_methods(["GET", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """Take the code and lead back."""
    user, pending = _person(request), request.session.get(PENDING)
    if not pending:
        return redirect(f"{reverse('accounts:proof')}?{urlencode({'next': next_of(request)})}")
    form = CodeForm(request.POST or None)
    context: dict[str, object] = {
        "form": form,
        "email": user.email,
        "next": next_of(request),
        "minutes": settings.CODE_AGE_S // 60,
    }
    if request.method == "GET":
        return render(request, "accounts/proof_code.html", context)
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if form.is_valid():
        try:
            codes.compare(pending, form.cleaned_data["code"], PROOF, place_of(request))
        except CodeRefused as refused:
            context |= {"refused": True, "tries_left": refused.tries_left}
        except TooMany as limit:
            context |= waiting(limit)
            status = HTTPStatus.TOO_MANY_REQUESTS
        else:
            del request.session[PENDING]
            proof.record(request, user, "code")
            return redirect(next_of(request) or settings.LOGIN_REDIRECT_URL)
    return render(request, "accounts/proof_code.html", context, status=status)


@never_cache
@login_required
@require_POST
def factor(request: HttpRequest) -> HttpResponse:
    """Take a passkey, an app's code or a recovery code and lead back."""
    user = _person(request)
    try:
        row = proven_factor(request, user)
    except FactorRefused:
        return _page(request, HTTPStatus.UNPROCESSABLE_ENTITY, refused=True)
    except TooMany as limit:
        return _page(request, HTTPStatus.TOO_MANY_REQUESTS, **waiting(limit))
    proof.record(request, user, proof.FACTOR, **factors.used(request, row))
    return redirect(next_of(request) or settings.LOGIN_REDIRECT_URL)


def _page(request: HttpRequest, status: HTTPStatus = HTTPStatus.OK, **facts: object) -> HttpResponse:
    user = _person(request)
    held = factors.of(user)
    context = {
        "held": held,
        "options": factors.passkey_to_use(user) if held["passkeys"] else None,
        "next": next_of(request),
        # The admin takes no code by mail.
        "factor_only": "factor" in request.GET or "factor" in request.POST,
        # Staff add their first factor after a link of the operator's; a code proves nothing that opens anything.
        "link_needed": user.is_staff and not factors.has_any(user),
        "minutes": settings.PROOF_AGE_S // 60,
        **facts,
    }
    return render(request, "accounts/proof.html", context, status=status)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # login_required
    return request.user
