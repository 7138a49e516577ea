"""The doors of the way to the team: JSON for the form inside the chat, pages that need no script, one's own message.

The form is reached from an answer of the chat and from nowhere else: it comes with what was asked.
"""

import uuid
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone, translation
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.tasks import nudge, send_mail
from chat import http
from chat.contact import messages, offers
from chat.contact.deadlines import deadline
from chat.contact.drafts import MAX_CHARS, Draft, draft, parsed
from chat.contact.errors import TooManyMessages, UnknownNumber
from chat.contact.messages import Sent
from chat.errors import AskRefused, ChatError, RateLimited
from chat.events import error_event
from chat.models import TeamMessage

MAX_NUMBER_CHARS = 60


@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def api_contact(request: HttpRequest) -> HttpResponse:
    """GET: the words of the form. POST: send a message, as JSON. Errors have the one shape.

    ``?language=`` is the language of the page.
    """
    wanted = request.GET.get("language", "")
    with translation.override(wanted if wanted in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE):
        return _form_as_json(request) if request.method == "GET" else _send_json(request)


@never_cache
@require_GET
def to_chat(request: HttpRequest, language: str) -> HttpResponse:
    """Lead to the chat, which opens the form."""
    return redirect("chat:live", language=language)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def contact_form(request: HttpRequest, language: str) -> HttpResponse:
    """The form without script, as an answer of ``/live/<language>/chat/`` opens it: filled in with what was asked."""
    if request.method == "GET":
        return to_chat(request, language)
    kind = request.POST.get("kind", "")
    values = {
        "id": str(uuid.uuid4()),
        "kind": kind if kind in TeamMessage.Kind.values else TeamMessage.Kind.OTHER.value,
        "text": request.POST.get("question", ""),  # whole: what is too much for a message is cut by its sender
        "reply_to": "",
    }
    return _form(request, language, values)


@csrf_exempt
@never_cache
@require_POST
def contact_send(request: HttpRequest, language: str) -> HttpResponse:
    """Send the message of the form without script and show its number, or the form again with what is wrong."""
    wants_answer = bool(request.POST.get("wants_answer"))
    values = {name: request.POST.get(name, "") for name in ("id", "kind", "text")}
    values["reply_to"] = request.POST.get("reply_to", "") if wants_answer else ""
    with translation.override(language):
        try:
            if not http.origin_allowed(request):
                return _form(request, language, values | {"wants_answer": wants_answer}, status=403)
            if wants_answer and not values["reply_to"].strip():
                raise AskRefused("reply_to", offers.address_wanted())
            sent = _send(request, draft(language=language, **values))
        except ChatError as error:
            found = values | {"wants_answer": wants_answer}
            return _form(request, language, found, error=error, status=error.status)
        context = {"number": sent.number, "deadline": deadline(sent.message.kind)}
        return _page(request, "chat/contact_sent.html", language, context)


@csrf_exempt
@never_cache
@require_http_methods(["GET", "POST"])
def own_message(request: HttpRequest, language: str) -> HttpResponse:
    """How a message stands, for whoever has its number. The number travels in the body, never in an address."""
    if request.method == "GET":
        return _page(request, "chat/contact_message.html", language, {})
    number = request.POST.get("number", "")[:MAX_NUMBER_CHARS]
    try:
        message = messages.by_number(number)
    except UnknownNumber as error:
        return _page(request, "chat/contact_message.html", language, {"problem": error}, status=404)
    context = {"number": number, "message": message, "deadline": deadline(message.kind)}
    return _page(request, "chat/contact_message.html", language, context)


@csrf_exempt
@never_cache
@require_POST
def own_message_delete(request: HttpRequest, language: str) -> HttpResponse:
    """Delete a message at once, for whoever has its number."""
    if not http.origin_allowed(request):
        return _page(request, "chat/contact_message.html", language, {}, status=403)
    try:
        messages.delete(request.POST.get("number", "")[:MAX_NUMBER_CHARS])
    except UnknownNumber as error:
        return _page(request, "chat/contact_message.html", language, {"problem": error}, status=404)
    return _page(request, "chat/contact_message.html", language, {"deleted": True})


def _send(request: HttpRequest, wanted: Draft) -> Sent:
    """Count one message of this sender and send it. Raises TooManyMessages, SentAlready."""
    user = http.signed_in(request)
    try:
        http.take(request, "contact", settings.CONTACT_RATE_LIMIT)
    except RateLimited as error:
        raise TooManyMessages(error.retry_after_s or 1) from error
    sent = messages.send(wanted, user=user, now=timezone.now())
    if sent.mail is not None:
        nudge(send_mail, sent.mail)
    return sent


def _send_json(request: HttpRequest) -> JsonResponse:
    try:
        if not http.origin_allowed(request):
            return http.problem(request, 403, "origin", "This origin may not send here.")
        if request.content_type != "application/json":
            return http.problem(request, 415, "invalid", "Send JSON.")
        sent = _send(request, parsed(request.body))
    except ChatError as error:
        return http.refusal(request, error)
    body = {
        "number": sent.number,
        "kind": sent.message.kind,
        "due_at": sent.message.due_at.isoformat(),
        "kept_days": settings.CONTACT_RETENTION_DAYS,
    }
    return JsonResponse(body, status=201)


def _form_as_json(request: HttpRequest) -> JsonResponse:
    user = http.signed_in(request)
    return JsonResponse(
        {
            "words": offers.form_words(),
            "told": offers.told_before(signed_in=user is not None),
            "kinds": offers.kinds(),
            "max_chars": MAX_CHARS,
            "own_address": user.email if user else "",
            "style": static("css/contact.css"),
            "messages": reverse("chat:messages", args=[translation.get_language()]),
        }
    )


def _form(
    request: HttpRequest,
    language: str,
    values: dict[str, Any],
    *,
    error: ChatError | None = None,
    status: int = 200,
) -> HttpResponse:
    user = http.signed_in(request)
    with translation.override(language):
        context = {
            **values,
            "kinds": offers.kinds(),
            "told": offers.told_before(signed_in=user is not None),
            "max_chars": MAX_CHARS,
            "own_address": user.email if user else "",
            "problem": error,
            "problem_field": getattr(error, "field", ""),
        }
        return _page(request, "chat/contact_form.html", language, context, status=status)


def _page(
    request: HttpRequest, template: str, language: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    with translation.override(language):
        problem = context.get("problem")
        if isinstance(problem, ChatError):
            context = context | {"problem": error_event(None, problem, request_id="")["message"]}
        response = render(request, template, context, status=status)
        response["Content-Language"] = language
        return response
