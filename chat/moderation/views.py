"""The doors of a flag for whoever asks: JSON, and forms that need no script. The number travels in bodies only."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from chat import http, presentation, retention
from chat.errors import RateLimited
from chat.moderation import drafts, flags, notice, training_consent
from chat.moderation.drafts import MAX_WORDS, SealedAnswer
from chat.moderation.errors import AlreadyFlagged, FlagRefused, TooManyFlags
from chat.moderation.outcomes import outcome_of
from chat.tree import tree

View = Callable[..., HttpResponse]


def ours(view: View) -> View:
    """Take a form from a page of ours only. There is no token: the page may be an exported file."""

    @wraps(view)
    def guarded(request: HttpRequest, language: str, **kwargs: Any) -> HttpResponse:
        with translation.override(language):
            if request.method == "POST" and not http.origin_allowed(request):
                return render(request, "chat/flags.html", {"problem": _elsewhere()}, status=403)
            response = view(request, language, **kwargs)
            response["Content-Language"] = language
            return response

    return csrf_exempt(guarded)


@csrf_exempt
@require_http_methods(["GET", "POST"])
def api_flags(request: HttpRequest) -> HttpResponse:
    """GET says what a flag is, in ``?language=``; POST hands one in."""
    if request.method == "GET":
        return JsonResponse(_form(request, _language(request.GET.get("language", ""))))
    if not http.origin_allowed(request):
        return http.problem(request, 403, "origin", "This origin may not send flags here.")
    if request.content_type != "application/json":
        return http.problem(request, 415, "invalid", "Send JSON.")
    with translation.override(_language(request.GET.get("language", ""))):
        try:
            _take(request)
            receipt = flags.hand_in(drafts.parse_draft(request.body), user=http.signed_in(request))
        except FlagRefused as error:
            return http.refusal(request, error)
    made = {
        "number": receipt.number,
        "flag": str(receipt.public_id),
        "kept_until": receipt.expires_at.isoformat(),
        "decided_kept_hours": settings.FLAG_DECIDED_KEPT_HOURS,
    }
    return JsonResponse(made, status=201)


@ours
@require_http_methods(["GET", "POST"])
def flag(request: HttpRequest, language: str) -> HttpResponse:
    """The first press without script: show what would be sent, and ask."""
    if request.method == "GET":
        return redirect("chat:flags", language)
    try:
        answer = drafts.parse_answer(request.POST.get("answer", ""))
        if flags.is_flagged(flags.opened(answer).answer):
            raise AlreadyFlagged
    except FlagRefused as error:
        return render(request, "chat/flags.html", {"problem": error.problem}, status=error.status)
    return _asked(request, language, answer)


@ours
@require_http_methods(["GET", "POST"])
def flag_send(request: HttpRequest, language: str) -> HttpResponse:
    """The second press: hand the flag in and show its number, this once."""
    if request.method == "GET":
        return redirect("chat:flags", language)
    try:
        answer = drafts.parse_answer(request.POST.get("answer", ""))
    except FlagRefused as error:
        return render(request, "chat/flags.html", {"problem": error.problem}, status=error.status)
    try:
        _take(request)
        draft = drafts.with_answer(
            answer,
            reason=request.POST.get("reason", ""),
            words=request.POST.get("words", ""),
            train=request.POST.get("train") == "yes",
            language=language,
        )
        receipt = flags.hand_in(draft, user=http.signed_in(request))
    except FlagRefused as error:
        return _asked(request, language, answer, problem=error)
    context = {"receipt": receipt, "words": _words(request, language), "kept": notice.kept()}
    return render(request, "chat/flag_sent.html", context, status=201)


@ours
@require_http_methods(["GET", "POST"])
def flag_outcome(request: HttpRequest, language: str) -> HttpResponse:
    """Ask for a number, then show how its flag stands."""
    if request.method == "GET":
        return render(request, "chat/flags.html", {"own": http.signed_in(request) is not None})
    return _outcome(request)


@ours
@require_POST
def flag_delete(request: HttpRequest, language: str) -> HttpResponse:
    """Delete the texts of a flag now."""

    def delete(found: Any) -> str:
        retention.delete_flag(found)
        return _("What you sent is deleted.")

    return _outcome(request, act=delete)


@ours
@require_POST
def flag_training_withdraw(request: HttpRequest, language: str) -> HttpResponse:
    """Take the sender's no to training with what they flagged."""

    def withdraw(found: Any) -> str:
        if found.training_subject is not None:
            training_consent.withdraw(found.training_subject, flags.CHANNEL)
        return _("Your consent to training is withdrawn, and what was taken up has left the training set.")

    return _outcome(request, act=withdraw)


def _outcome(request: HttpRequest, *, act: Callable[[Any], str] | None = None) -> HttpResponse:
    """Find a flag by the number in the body, do ``act`` to it, and show how it stands then."""
    number = request.POST.get("number", "")[:100]
    try:
        found = flags.by_number(number)
        done = act(found) if act else ""
        outcome = outcome_of(flags.by_number(number) if act else found)
    except FlagRefused as error:
        return render(request, "chat/flags.html", {"problem": error.problem, "number": number}, status=error.status)
    return render(request, "chat/flags.html", {"outcome": outcome, "number": number, "done": done})


def _asked(
    request: HttpRequest, language: str, answer: SealedAnswer, *, problem: FlagRefused | None = None
) -> HttpResponse:
    context = {
        "sealed": msgspec.json.encode(answer).decode(),
        "answer": answer,
        "receipt": answer.receipt.as_dict(),
        "html": presentation.html_of(tree(answer.text)),
        "words": _words(request, language),
        "reasons": notice.reasons(),
        "max_words": MAX_WORDS,
        "problem": problem,
        "reason": request.POST.get("reason", ""),
        "own_words": request.POST.get("words", ""),
        "train": request.POST.get("train") == "yes",
    }
    response = render(request, "chat/flag.html", context, status=problem.status if problem else 200)
    if problem and problem.retry_after_s:
        response["Retry-After"] = str(problem.retry_after_s)
    return response


def _take(request: HttpRequest) -> None:
    """Count one flag. Raises TooManyFlags."""
    try:
        http.take(request, "flag", settings.FLAG_RATE_LIMIT)
    except RateLimited as error:
        raise TooManyFlags(error.retry_after_s or 1) from error


def _form(request: HttpRequest, language: str) -> dict[str, Any]:
    with translation.override(language):
        return notice.form(language, **_asker(request))


def _words(request: HttpRequest, language: str) -> dict[str, str]:
    return notice.words(language, **_asker(request))


def _asker(request: HttpRequest) -> dict[str, bool]:
    person = http.signed_in(request)
    return {"signed_in": person is not None, "trains": person is not None and training_consent.holds(person.public_id)}


def _language(wanted: str) -> str:
    return wanted if wanted in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE


def _elsewhere() -> str:
    return _("This form was sent from another site, so nothing was done.")
