"""A person's own pages: profile, sessions, consents, export, erasure. Plain forms; nothing here needs script."""

import uuid
from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import access, closing, export, pages, profile, sessions, tasks
from accounts.errors import ExportGone, ExportRefused
from accounts.models import DataExport, User
from accounts.pages import account_page
from accounts.proof import fresh_proof_required
from compliance import consents
from compliance.models import ConsentEvent


def _person(request: HttpRequest) -> User:
    return cast("User", request.user)  # every page here asks for a sign-in first


@require_GET
@account_page
def overview(request: HttpRequest) -> HttpResponse:
    """List the pages of the account, each with what it is for."""
    return render(request, "account_pages/overview.html")


@require_GET
@account_page
def profile_page(request: HttpRequest) -> HttpResponse:
    return render(request, "account_pages/profile.html", {"languages": settings.LANGUAGES})


@require_POST
@account_page
def language_change(request: HttpRequest) -> HttpResponse:
    """Take a language and go back to the page that asked."""
    if not profile.change_language(_person(request), request.POST.get("language", "")):
        return render(request, "account_pages/profile.html", {"languages": settings.LANGUAGES}, status=400)
    came_from = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(came_from, {request.get_host()}, require_https=request.is_secure()):
        came_from = reverse("account:profile")
    return redirect(came_from)


@require_GET
@account_page
def session_list(request: HttpRequest) -> HttpResponse:
    current = request.session.session_key
    # This one first, so that nobody ends it by mistake among the others.
    listed = sorted(sessions.of(_person(request)), key=lambda each: each.session_key != current)
    context = {"sessions": listed, "current": current}
    return render(request, "account_pages/sessions.html", context)


@require_POST
@account_page
def session_end(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    session = access.session_for(_person(request), public_id)
    if session.session_key == request.session.session_key:
        logout(request)
        return redirect(settings.LOGIN_URL)
    sessions.end(_person(request), session.public_id)
    messages.success(request, _("The session was ended."))
    return redirect("account:sessions")


@require_POST
@account_page
def sessions_end_others(request: HttpRequest) -> HttpResponse:
    sessions.end_others(_person(request), request.session.session_key or "")
    messages.success(request, _("You are signed in only here now."))
    return redirect("account:sessions")


@require_GET
@account_page
def consent_page(request: HttpRequest) -> HttpResponse:
    """Show each consent with its box, and everything that was given and withdrawn."""
    user = _person(request)
    history = consents.history(user.public_id)
    boxes = [
        {
            "purpose": box.purpose,
            "wording": box.wording(user.language),
            "give": reverse(box.give),
            "withdraw": reverse(box.withdraw),
            "given": _holds(history, box.purpose),
        }
        for box in pages.consent_boxes()
    ]
    return render(request, "account_pages/consents.html", {"boxes": boxes, "history": history})


@require_GET
@account_page
@fresh_proof_required
def export_page(request: HttpRequest) -> HttpResponse:
    """Offer an export, or say how far the one that was asked for is."""
    user = _person(request)
    current = export.current(user)
    failed = None if current else user.exports.filter(state=DataExport.State.FAILED).first()
    ready = current is not None and current.state == DataExport.State.READY
    token = export.link_token(current) if current and ready else ""
    context = {"current": current, "ready": ready, "token": token, "failed": failed}
    return render(request, "account_pages/export.html", context)


@require_POST
@account_page
@fresh_proof_required(back="account:export")
def export_request(request: HttpRequest) -> HttpResponse:
    try:
        asked = export.request(_person(request))
    except ExportRefused:
        return render(request, "account_pages/export.html", {"refused": True}, status=429)
    tasks.nudge(tasks.make_export, asked.pk)
    return redirect("account:export")


@require_GET
@account_page
@fresh_proof_required
def export_file(request: HttpRequest, token: str) -> HttpResponse:
    """Show a button: a program that merely follows the link does not use it up."""
    try:
        wanted = access.export_for(_person(request), export.public_id_of(token))
    except ExportGone:
        wanted = None
    there = wanted is not None and wanted == export.current(_person(request)) and bool(wanted.ready_at)
    context = {"token": token, "wanted": wanted, "there": there}
    return render(request, "account_pages/export_link.html", context, status=200 if there else 410)


@require_POST
@account_page
@fresh_proof_required(back="account:export")
def export_fetch(request: HttpRequest, token: str) -> HttpResponse:
    try:
        wanted = access.export_for(_person(request), export.public_id_of(token))
        content = export.fetch(wanted)
    except ExportGone:
        return render(request, "account_pages/export_link.html", {"there": False}, status=410)
    response = HttpResponse(content, content_type="application/zip")
    response["Content-Disposition"] = 'attachment; filename="export.zip"'
    return response


@require_http_methods(["GET", "POST"])
@account_page
@fresh_proof_required
def erase_page(request: HttpRequest) -> HttpResponse:
    """Say what goes and what stays; with the box ticked, lock the person out and leave the rest to the worker."""
    if request.method == "GET":
        return render(request, "account_pages/erase.html")
    if request.POST.get("understood") != "yes":
        return render(request, "account_pages/erase.html", {"unticked": True}, status=400)
    user = _person(request)
    closure = closing.close(user)
    tasks.nudge(tasks.erase_account, closure.pk)
    logout(request)
    return redirect(f"{reverse('account:erased')}?language={user.language}")


@require_GET
def erased_page(request: HttpRequest) -> HttpResponse:
    """Say that the account is locked and being erased, to somebody who is nobody any more."""
    return render(request, "account_pages/erased.html")


def _holds(history: list[ConsentEvent], purpose: str) -> ConsentEvent | None:
    last = next((event for event in history if event.purpose == purpose), None)
    return last if last and last.action == ConsentEvent.Action.GIVEN else None
