"""Signing in: one box for an address, the code, the second factor, a passkey, the door for staff."""

from http import HTTPStatus
from typing import Any

from allauth.account.internal.decorators import login_stage_required
from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import attempts, browsers, codes, factors, proof, signin, staff
from accounts.codes import Place
from accounts.errors import CodeRefused, FactorRefused, LinkRefused, MailRefused, MailUnavailable, TooMany, TooSoon
from accounts.forms import CodeForm, CredentialForm, EnterForm, FactorCodeForm
from accounts.middleware import SESSION_KEY as LANGUAGE_KEY
from accounts.models import SignInCode, User
from compliance.addresses import address_name, request_address

PENDING = "signin"  # in the session: which code is waited for, and where the reader wants to go
ANONYMOUS_SESSION_S = 3600
ENTER = SignInCode.Purpose.ENTER


@never_cache
@require_http_methods(["GET", "POST"])
def enter(request: HttpRequest) -> HttpResponse:
    """Take an address and send a code there, whether anybody has an account under it or not."""
    next_url = next_of(request)
    if isinstance(request.user, User):
        return redirect(next_url or settings.LOGIN_REDIRECT_URL)
    form = EnterForm(request.POST or None)
    if request.method == "GET" or not form.is_valid():
        status = HTTPStatus.OK if request.method == "GET" else HTTPStatus.UNPROCESSABLE_ENTITY
        return _enter_page(request, form, next_url, status)
    try:
        _send(request, form.cleaned_data["email"], next_url)
    except TooMany as limit:
        return _enter_page(request, form, next_url, HTTPStatus.TOO_MANY_REQUESTS, limit=limit)
    except MailRefused:
        return _enter_page(request, form, next_url, HTTPStatus.UNPROCESSABLE_ENTITY, mail_refused=True)
    except MailUnavailable:
        return _enter_page(request, form, next_url, HTTPStatus.SERVICE_UNAVAILABLE, mail_away=True)
    return redirect("accounts:code")


@never_cache
@require_http_methods(["GET", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """Take the code; the account of a new address is made here, once the address is proven."""
    pending = _pending(request)
    if isinstance(request.user, User) or pending is None:
        return redirect("accounts:enter")
    form = CodeForm(request.POST or None)
    if request.method == "GET":
        return _code_page(request, form, pending)
    if not form.is_valid():
        return _code_page(request, form, pending, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        row = codes.compare(pending["code"], form.cleaned_data["code"], ENTER, place_of(request))
        user = signin.person_for(row.email, get_language() or settings.LANGUAGE_CODE)
    except CodeRefused as refused:
        return _code_page(request, form, pending, refused=refused, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except TooMany as limit:
        return _code_page(request, form, pending, limit=limit, status=HTTPStatus.TOO_MANY_REQUESTS)
    del request.session[PENDING]
    return signin.enter(request, user, "code", next_url=pending["next"])


@never_cache
@require_POST
def code_send(request: HttpRequest) -> HttpResponse:
    """Send a new code to the address of before; the one of before stays good until its time is up."""
    pending = _pending(request)
    if pending is None:
        return redirect("accounts:enter")
    try:
        _send(request, pending["email"], pending["next"])
    except TooMany as limit:
        return _code_page(request, CodeForm(), pending, limit=limit, status=HTTPStatus.TOO_MANY_REQUESTS)
    except MailUnavailable:
        return _code_page(request, CodeForm(), pending, mail_away=True, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return redirect("accounts:code")


@login_stage_required(stage="mfa_authenticate", redirect_urlname="accounts:enter")
@require_http_methods(["GET", "POST"])
def factor(request: HttpRequest) -> HttpResponse:
    """Take the second factor: a passkey, the app's code or a recovery code."""
    stage: Any = request._login_stage  # type: ignore[attr-defined]  # put there by the decorator
    user = stage.login.user
    problem: str = ""
    status = HTTPStatus.OK
    limit: TooMany | None = None
    if request.method == "POST":
        try:
            row = proven_factor(request, user)
        except FactorRefused:
            problem, status = "refused", HTTPStatus.UNPROCESSABLE_ENTITY
        except TooMany as error:
            limit, status = error, HTTPStatus.TOO_MANY_REQUESTS
        else:
            proof.record(request, user, proof.FACTOR, **factors.used(request, row))
            return signin.welcome(request, stage.exit())
    held = factors.of(user)
    options = factors.passkey_to_use(user) if held["passkeys"] else None
    context = {"held": held, "options": options, "problem": problem, **waiting(limit)}
    return render(request, "accounts/factor.html", context, status=status)


def proven_factor(request: HttpRequest, user: User) -> Any:
    """Return the factor of ``user`` that a form has proven. Raises FactorRefused, TooMany."""
    if "credential" in request.POST:
        form = CredentialForm(request.POST)
        if not form.is_valid():
            raise FactorRefused
        return factors.prove_passkey(user, form.cleaned_data["credential"])
    typed = FactorCodeForm(request.POST)
    if not typed.is_valid():
        raise FactorRefused
    at = place_of(request)
    failure = attempts.begin(attempts.bucket_for(user.email, at.browser), at.address_name)
    row = factors.prove_code(user, typed.cleaned_data["code"])
    attempts.forgive(failure)
    return row


# --- passkeys as a way in ---


@never_cache
@require_POST
def passkey_options(request: HttpRequest) -> JsonResponse:
    """Return a challenge for any passkey of this site."""
    try:
        attempts.take_challenge(place_of(request).address_name)
    except TooMany as limit:
        answer = JsonResponse({"retry_after_s": limit.wait_s}, status=HTTPStatus.TOO_MANY_REQUESTS)
        answer["Retry-After"] = str(limit.wait_s)
        return answer
    if not isinstance(request.user, User):
        request.session.set_expiry(ANONYMOUS_SESSION_S)
    return JsonResponse(factors.passkey_to_use())


@never_cache
@require_POST
def passkey_enter(request: HttpRequest) -> HttpResponse:
    """Sign in with a passkey."""
    next_url = next_of(request)
    form = CredentialForm(request.POST)
    try:
        if not form.is_valid():
            raise FactorRefused
        row = factors.passkey_of(form.cleaned_data["credential"])
    except FactorRefused:
        return _enter_page(request, EnterForm(), next_url, HTTPStatus.UNPROCESSABLE_ENTITY, passkey_refused=True)
    facts = factors.used(request, row, passwordless=True)
    return signin.enter(request, row.user, proof.FACTOR, next_url=next_url, **facts)


@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Sign out. The browser stays a known one."""
    language = get_language() or settings.LANGUAGE_CODE
    logout(request)
    return redirect(f"{reverse('accounts:enter')}?{urlencode({'language': language})}")


# --- staff ---


@require_GET
def staff_login(request: HttpRequest) -> HttpResponse:
    """Where the admin sends whoever it does not let in: to sign in, to a second factor, or nowhere."""
    user = request.user
    next_url = next_of(request) or reverse("admin:index")
    if not isinstance(user, User):
        return redirect(f"{reverse('accounts:enter')}?{urlencode({'next': next_url})}")
    if not user.is_staff:
        return render(request, "accounts/staff_enter.html", {"needed": True}, status=HTTPStatus.FORBIDDEN)
    if factors.has_any(user):
        return redirect(f"{reverse('accounts:proof')}?{urlencode({'next': next_url, 'factor': '1'})}")
    return redirect("accounts:factors")


@never_cache
@require_http_methods(["GET", "POST"])
def staff_enter(request: HttpRequest, token: str) -> HttpResponse:
    """Show a button, then sign in: a preview that merely fetches the link does not use it up."""
    if request.method == "GET":
        return render(request, "accounts/staff_enter.html")
    try:
        user = staff.redeem(token)
    except LinkRefused:
        return render(request, "accounts/staff_enter.html", {"refused": True}, status=HTTPStatus.FORBIDDEN)
    target = reverse("admin:index") if factors.has_any(user) else reverse("accounts:factors")
    return signin.enter(request, user, proof.LINK, next_url=target)


# --- parts ---


def place_of(request: HttpRequest) -> Place:
    """Return what requests are counted by."""
    return Place(browsers.browser_of(request), address_name(request_address(request)))


def next_of(request: HttpRequest) -> str:
    """Return where the reader wants to go if that is a page of ours, else ""."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    hosts = {url.partition("://")[2] for url in (settings.SITE_URL, settings.CHAT_URL)}
    return wanted if url_has_allowed_host_and_scheme(wanted, hosts, require_https=settings.HTTPS) else ""


def _send(request: HttpRequest, email: str, next_url: str) -> None:
    """Send a code and let this browser wait for it. Raises TooMany, MailUnavailable."""
    language = get_language() or settings.LANGUAGE_CODE
    row = codes.send(email, ENTER, place_of(request), language)
    # Not the address: a session outlives an erasure.
    request.session[PENDING] = {"code": str(row.public_id), "next": next_url}
    request.session[LANGUAGE_KEY] = language
    request.session.set_expiry(ANONYMOUS_SESSION_S)


def _pending(request: HttpRequest) -> dict[str, str] | None:
    """Return which code this browser waits for, where it went and what comes then; None when there is none."""
    pending: dict[str, str] | None = request.session.get(PENDING)
    email = codes.address_of(pending["code"]) if pending else ""
    return {**pending, "email": email} if pending and email else None


def _enter_page(
    request: HttpRequest,
    form: EnterForm,
    next_url: str,
    status: HTTPStatus,
    *,
    limit: TooMany | None = None,
    **facts: bool,
) -> HttpResponse:
    context = {"form": form, "next": next_url, **waiting(limit), **facts}
    response = render(request, "accounts/enter.html", context, status=status)
    if limit is not None:
        response["Retry-After"] = str(limit.wait_s)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = "60"
    return response


def _code_page(
    request: HttpRequest,
    form: CodeForm,
    pending: dict[str, str],
    *,
    refused: CodeRefused | None = None,
    limit: TooMany | None = None,
    mail_away: bool = False,
    status: HTTPStatus = HTTPStatus.OK,
) -> HttpResponse:
    context = {
        "form": form,
        "email": pending["email"],
        "next": pending["next"],
        "minutes": settings.CODE_AGE_S // 60,
        "refused": refused is not None,
        "tries_left": refused.tries_left if refused else None,
        "mail_away": mail_away,
        **waiting(limit),
    }
    return render(request, "accounts/code.html", context, status=status)


def waiting(limit: TooMany | None) -> dict[str, object]:
    """Return what a page says about a limit: seconds for a pause, hours for a full window."""
    if limit is None:
        return {}
    if isinstance(limit, TooSoon):
        return {"wait_s": limit.wait_s}
    return {"wait_h": -(-limit.wait_s // 3600)}
