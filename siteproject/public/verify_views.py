"""The door to verifying: a page whose forms need no script, and the same as JSON. Nothing that is sent is kept."""

from typing import Any

import msgspec
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST
from psycopg_pool import PoolTimeout

from chat import doors, limits
from chat.errors import RateLimited
from compliance.addresses import address_name, client_address
from compliance.database import in_thread
from siteproject.public import verify
from siteproject.public.errors import ForeignPage, Unreadable
from siteproject.public.verify import Sealed, Verdict

RATE_LIMIT = "30/15m"
# What the database or its driver raises while it is away; only a head needs it.
AWAY = (DatabaseError, InterfaceError, PoolTimeout)
AGAIN_AFTER_S = 5
# What reading JSON raises; the last for one that is nested too deep.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
SHOWN_AS = {
    verify.SealVerdict: "seal_verdict",
    verify.TextVerdict: "text_verdict",
    verify.HeadVerdict: "head_verdict",
}


class Brought(msgspec.Struct, forbid_unknown_fields=True):
    """What a client may send: an answer with its seal, or a text, or a head."""

    question: str = ""
    answer: str = ""
    seal: str = ""
    receipt: dict[str, Any] | None = None
    text: str = ""
    head: str = ""
    language: str = "en"


class Proof(msgspec.Struct):
    """A whole proof, as a receipt copies it (``answer``) or as the plain form of the chat holds it (``text``)."""

    question: str
    seal: str
    answer: str = ""
    text: str = ""
    receipt: dict[str, Any] | None = None


@csrf_exempt
@require_POST
async def api(request: HttpRequest) -> HttpResponse:
    """Verify one thing and say how it was decided."""
    try:
        verdict = await _decided(request, _from_json(request.body))
    except Unreadable as error:
        return _problem(
            request, 400, "invalid", "This field is missing, unknown, too long or of the wrong type.", error.field
        )
    except ForeignPage:
        return _problem(request, 403, "origin", "This origin may not ask here.")
    except RateLimited as error:
        late = _problem(request, 429, "rate_limited", "Too many requests; try again later.")
        late["Retry-After"] = str(error.retry_after_s)
        return late
    except AWAY:
        away = _problem(request, 503, "unavailable", "The records cannot be read at this moment.")
        away["Retry-After"] = str(AGAIN_AFTER_S)
        return away
    response = HttpResponse(msgspec.json.encode(verdict), content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
async def page(request: HttpRequest, language: str) -> HttpResponse:
    """The forms, and what the one that was sent came to."""
    with translation.override(language):
        context: dict[str, Any] = {}
        status = 200
        retry_after_s: int | None = None
        if request.method == "POST":
            brought = _from_form(request, language)
            context["brought"] = brought
            try:
                verdict = await _decided(request, brought)
                # The template asks which of the three it is.
                context["verdict"] = {SHOWN_AS[type(verdict)]: verdict}
            except Unreadable as error:
                status, context["problem"] = 400, error.field
            except ForeignPage:
                status, context["problem"] = 403, "origin"
            except RateLimited as error:
                status, retry_after_s, context["problem"] = 429, error.retry_after_s, "limit"
            except AWAY:
                status, retry_after_s, context["problem"] = 503, AGAIN_AFTER_S, "away"
        response = render(request, "verify/page.html", context, status=status)
    response["Content-Language"] = language
    response["Cache-Control"] = "no-store"
    if retry_after_s:
        response["Retry-After"] = str(retry_after_s)
    return response


async def _decided(request: HttpRequest, brought: Brought) -> Verdict:
    """Return the verdict. Raises Unreadable, RateLimited, and ForeignPage for a page that is not ours."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not doors.origin_allowed(headers, has_cookie=bool(request.COOKIES)):
        raise ForeignPage
    address = client_address(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))
    await limits.take(f"verify:{address_name(address)}", RATE_LIMIT)
    if brought.head:
        return await in_thread(verify.head, brought.head)
    if brought.text:
        return verify.text(brought.text, brought.language)
    if brought.answer:
        if not brought.seal:
            raise Unreadable("seal")
        return verify.answer(Sealed(brought.question, brought.answer, brought.seal, brought.receipt))
    raise Unreadable("answer")


def _from_json(body: bytes) -> Brought:
    try:
        return msgspec.json.decode(body, type=Brought)
    except UNREADABLE:
        raise Unreadable("") from None


def _from_form(request: HttpRequest, language: str) -> Brought:
    """Return the fields of a form. The answer's may hold a whole proof instead, as a receipt copies it."""
    sent: dict[str, Any] = {name: request.POST.get(name, "") for name in ("question", "answer", "seal", "text", "head")}
    whole = sent["answer"].strip()
    if whole.startswith("{"):
        try:
            proof = msgspec.json.decode(whole.encode("utf-8", "surrogatepass"), type=Proof)
        except UNREADABLE:
            return Brought(**sent, language=language)
        return Brought(proof.question, proof.answer or proof.text, proof.seal, proof.receipt, language=language)
    return Brought(**sent, language=language)


def _problem(request: HttpRequest, status: int, code: str, message: str, field: str = "") -> JsonResponse:
    request_id: str = request.request_id  # type: ignore[attr-defined]
    body = {"code": code, "message": message, "field": field or None, "request_id": request_id}
    return JsonResponse({"error": body}, status=status)
