"""Stored conversations and the consent to store them: pages that work without script, and the same as JSON.

Every page belongs to one person: it is reached through ``chat.access``, never cached, and gone the moment it expires.
"""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.models import User
from accounts.pages import account_page
from chat import consent, conversations, presentation, retention, wording
from chat.access import conversation_for
from chat.errors import UnknownConversation
from chat.models import NAME_CHARS, Conversation
from chat.tree import tree

PER_PAGE = 50
TURNS_SHOWN = 200
CHANNELS = ("chat", "account")
JSON_TYPE, HTML_TYPE = "application/json", "text/html"


def signed_in(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Answer a machine that is not signed in with 401 and JSON, where a page would lead to the sign-in."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _problem(request, 401, "signed_out", _("Please sign in first."))
        return view(request, *args, **kwargs)

    return guarded


def page_or_json(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Guard a view that answers both: whoever asks for JSON gets JSON, whatever happens."""
    for_people, for_machines = account_page(view), signed_in(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return (for_machines if _wants_json(request) else for_people)(request, *args, **kwargs)

    return guarded


@require_GET
@account_page
def conversation_list(request: HttpRequest) -> HttpResponse:
    """The person's conversations, newest first, each with its countdown; and whether new ones are kept."""
    page = Paginator(conversations.listed(_person(request)), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "kept": [(each, conversations.countdown(each.left)) for each in page],  # type: ignore[attr-defined]  # annotated
        "keeps_chats": consent.keeps_chats(_person(request)),
        "retention_days": settings.RETENTION_DAYS,
    }
    return render(request, "chat/conversations.html", context)


@require_GET
@account_page
def conversation(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One conversation: read, go on, rename, delete."""
    found = _conversation_or_404(request, public_id)
    turns = conversations.turns(found, last=TURNS_SHOWN)
    context = {
        "conversation": found,
        "countdown": conversations.countdown(found.left),  # type: ignore[attr-defined]  # annotated
        "turns": [(turn, [_shown(version) for version in turn.versions]) for turn in turns],
        "turns_shown": TURNS_SHOWN if len(turns) == TURNS_SHOWN else None,
        "name_chars": NAME_CHARS,
        "chat_address": f"{reverse('content:chat')}?conversation={found.public_id}",
    }
    return render(request, "chat/conversation.html", context)


@require_POST
@account_page
def conversation_rename(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    found = _conversation_or_404(request, public_id)
    conversations.rename(found, request.POST.get("title", ""))
    return redirect("chat:conversation", public_id=found.public_id)


@require_POST
@account_page
def conversation_delete(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """Delete one conversation now, and not in a few days."""
    retention.delete_conversation(_person(request), _conversation_or_404(request, public_id))
    messages.success(request, _("The conversation is deleted."))
    return redirect("chat:conversations")


@require_POST
@account_page
def conversations_delete(request: HttpRequest) -> HttpResponse:
    """Delete everything that is stored of this person now."""
    retention.delete_all_of(_person(request))
    messages.success(request, _("Every conversation is deleted."))
    return redirect("chat:conversations")


@require_POST
@page_or_json
def consent_give(request: HttpRequest) -> HttpResponse:
    """Take the person's yes to keeping their chats, in the language in which they read the words.

    Without the tick nothing is given, whatever the browser thought of ``required``.
    """
    if request.POST.get("agreed") != "yes":
        return _consent_now(request)
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        language = get_language() or settings.LANGUAGE_CODE
    consent.give(_person(request), language, _channel(request))
    return _consent_now(request)


@require_POST
@page_or_json
def consent_withdraw(request: HttpRequest) -> HttpResponse:
    """Take the person's no: nothing is kept from here on, and what was kept is gone."""
    consent.withdraw(_person(request), _channel(request))
    return _consent_now(request)


@require_GET
@signed_in
def api_conversations(request: HttpRequest) -> HttpResponse:
    """The list for a client: the newest ``PER_PAGE``."""
    found = conversations.listed(_person(request))[:PER_PAGE]
    return JsonResponse({"conversations": [_summary(each) for each in found]})


@require_GET
@signed_in
def api_conversation(request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
    """One conversation for a client that goes on with it: the last ``TURNS_SHOWN`` turns, answers as trees."""
    try:
        found = conversation_for(_person(request), public_id)
    except UnknownConversation as error:
        return _problem(request, error.status, error.code, wording.sentence(error.code))
    turns = conversations.turns(found, last=TURNS_SHOWN)
    return JsonResponse({**_summary(found), "turns": [turn.as_json() for turn in turns]})


def _summary(found: Conversation) -> dict[str, Any]:
    return {
        "conversation": str(found.public_id),
        "title": found.name,  # type: ignore[attr-defined]  # annotated
        "language": found.language,
        "kept_until": found.expires_at.isoformat(),
    }


def _shown(version: Any) -> dict[str, Any]:
    """Return what the template shows of one version of an answer."""
    return {
        "rung": version.rung,
        "language": version.language,
        "sources": version.sources,
        "receipt": version.receipt,
        "check": version.receipt.get("check"),
        "html": presentation.html_of(tree(version.text)),
        "text": version.text,
        "seal": version.seal,
    }


def _consent_now(request: HttpRequest) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse({"keeps_chats": consent.keeps_chats(_person(request))})
    wanted = request.POST.get("next", "")
    ours = {request.get_host()}
    if not url_has_allowed_host_and_scheme(wanted, allowed_hosts=ours, require_https=request.is_secure()):
        wanted = reverse("chat:conversations")
    return redirect(wanted)


def _channel(request: HttpRequest) -> str:
    named = request.POST.get("channel", "")
    return named if named in CHANNELS else "account"


def _conversation_or_404(request: HttpRequest, public_id: uuid.UUID) -> Conversation:
    try:
        return conversation_for(_person(request), public_id)
    except UnknownConversation as error:
        raise Http404 from error


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


def _wants_json(request: HttpRequest) -> bool:
    return request.get_preferred_type([HTML_TYPE, JSON_TYPE]) == JSON_TYPE


def _problem(request: HttpRequest, status: int, code: str, message: str) -> JsonResponse:
    error = {"code": code, "message": message, "request_id": getattr(request, "request_id", None)}
    return JsonResponse({"error": error}, status=status)
