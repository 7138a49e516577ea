"""The HTTP doors: server-sent events, the form that needs no script, and what machines may know."""

import asyncio
import math
import secrets
import uuid
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any

import msgspec
from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.utils import formats, timezone, translation
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from redis.exceptions import RedisError

from accounts.models import User
from chat import consent, doors, presentation, running
from chat.asks import MAX_MESSAGE_BYTES, Ask, Message, parse_ask
from chat.errors import AskRefused, ChatError, UnknownId
from chat.events import Event, error_event
from chat.running import Followed
from compliance.memory import redis
from inference import budget_state, wake
from inference.engine import engine
from inference.facts import Facts, Probe, probed
from inference.facts import live as live_facts
from inference.models import AskerClass, Tier
from inference.registry import snapshot

STATUS_OF_ERROR = {"busy": 503, "model_unavailable": 503, "model_timeout": 504, "restarting": 503, "impolite": 400}
HEARTBEAT = b": waiting\n\n"
PROBES_MISSED = 3
SERVES_SINCE = timezone.now()  # the system checks import every view before the first request is taken
# Headers go out before anybody knows on which rung the answer will stand; `done` says it exactly, in its receipt.
MARK, MAY_BE_GENERATED = "X-AI-Generated", "maybe"
CLIENT_GONE = 499  # nginx's number for it; nobody but the log sees it


@gzip_page
def page(request: HttpRequest) -> HttpResponse:
    """The chat on a page of its own."""
    return render(request, "chat/page.html", {"max_question_bytes": MAX_MESSAGE_BYTES})


@csrf_exempt
@require_POST
async def chat(request: HttpRequest) -> HttpResponseBase:
    """Answer as server-sent events; a reader who leaves ends the answer. Errors before the first event are JSON."""
    request_id: str = request.request_id  # type: ignore[attr-defined]
    ask: Ask | None = None
    try:
        if not doors.origin_allowed(_headers(request), has_cookie=bool(request.COOKIES)):
            return _problem(403, "origin", "This origin may not ask here.", request_id)
        if request.content_type != "application/json":
            return _problem(415, "invalid", "Send JSON.", request_id)
        ask = parse_ask(request.body)
        followed = await doors.open_reply(ask, await _caller(request), may_attach=False, request_id=request_id)
    except ChatError as error:
        with translation.override(ask.language if ask else settings.LANGUAGE_CODE):
            return _refusal(ask.id if ask else None, error, request_id)
    gone: asyncio.Future[None] | None = request.scope.get("gone")  # type: ignore[attr-defined]
    reader = _Reader(followed, gone=gone)
    first = await reader.first_events()
    if first[-1]["type"] == "error":
        reader.leave()
        return _json_error(first[-1], status=CLIENT_GONE if gone is not None and gone.done() else None)
    response = StreamingHttpResponse(_stream(reader, first), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    response[MARK] = MAY_BE_GENERATED
    return response


class _Reader:
    """Reads one reply ahead of the response, so that an early failure can still choose the HTTP status.

    It counts as a reader from the beginning until ``leave``; without another one the reply then ends at once.
    ``gone`` is done when the client has hung up, whatever the view or its response is doing at that moment.
    """

    def __init__(self, followed: Followed, *, gone: asyncio.Future[None] | None) -> None:
        self.followed = followed
        self.events = followed.follow()
        self._reads = isinstance(followed, running.Reply)
        if isinstance(followed, running.Reply):
            followed.read_by_one_more()
        if gone is not None:
            gone.add_done_callback(lambda _gone: self.leave())

    async def first_events(self) -> list[Event]:
        """Return the events up to the first that tells how it goes: anything but *grounding*."""
        first = []
        async for event in self.events:
            first.append(event)
            if event.get("stage") != "grounding":
                break
        return first

    def leave(self) -> None:
        if self._reads and isinstance(self.followed, running.Reply):
            self._reads = False
            self.followed.read_by_one_less(grace_s=0)


async def _stream(reader: _Reader, first: list[Event]) -> AsyncGenerator[bytes, None]:
    """Yield events as they come and a comment every few seconds of silence."""
    waiting: asyncio.Future[Event | None] | None = None
    try:
        for event in first:
            yield _data(event)
        while True:
            waiting = asyncio.ensure_future(anext(reader.events, None))
            while not (await asyncio.wait([waiting], timeout=settings.CHAT_KEEP_ALIVE_S))[0]:
                yield HEARTBEAT
            if (following := waiting.result()) is None:
                return
            yield _data(following)
    finally:
        reader.leave()
        if waiting is not None and not waiting.done():
            waiting.cancel()
            await asyncio.wait([waiting])
        await reader.events.aclose()


def _data(event: Event) -> bytes:
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


@csrf_exempt
@require_http_methods(["GET", "POST"])
async def live(request: HttpRequest, language: str) -> HttpResponse:
    """The plain form: asks, waits for the whole answer, shows it. Works without script."""
    with translation.override(language):
        context: dict[str, Any] = {"max_question_bytes": MAX_MESSAGE_BYTES, "question": "", "problem": ""}
        status, retry_after_s = 200, None
        if request.method == "POST":
            status, retry_after_s = await _answer_form(request, language, context)
        response = render(request, "chat/live.html", context, status=status)
        response["Content-Language"] = language
        if "answer" in context:
            response[MARK] = "true" if context["answer"]["receipt"]["ai_generated"] else "false"
        if retry_after_s:
            response["Retry-After"] = str(retry_after_s)
        return response


async def _answer_form(request: HttpRequest, language: str, context: dict[str, Any]) -> tuple[int, int | None]:
    """Fill ``context`` with the answer or the problem. Returns the status, and the seconds to wait where that helps."""
    question = request.POST.get("question", "")[: MAX_MESSAGE_BYTES + 1]
    context["question"] = question
    request_id: str = request.request_id  # type: ignore[attr-defined]
    try:
        if not doors.origin_allowed(_headers(request), has_cookie=bool(request.COOKIES)):
            raise UnknownId
        raw = {
            "id": str(uuid.uuid4()),
            "secret": secrets.token_urlsafe(32),
            "messages": [Message("user", question)],
            "language": language,
        }
        ask = parse_ask(msgspec.json.encode(raw))
        followed = await doors.open_reply(ask, await _caller(request), may_attach=False, request_id=request_id)
        async with running.reading(followed, grace_s=0):
            events = [event async for event in followed.follow()]
    except (ChatError, UnicodeEncodeError) as error:
        refused = error if isinstance(error, ChatError) else AskRefused("question", "")
        event = error_event(None, refused, request_id=request_id)
        context["problem"] = _with_wait(event)
        return refused.status, event["retry_after_s"]
    if events[-1]["type"] == "error":
        context["problem"] = _with_wait(events[-1])
        return STATUS_OF_ERROR.get(events[-1]["code"], 502), events[-1]["retry_after_s"]
    context["answer"] = presentation.answer_of(events)
    return 200, None


def _with_wait(event: Event) -> str:
    """Return an error's sentence, with the minutes to wait where they are more than one."""
    minutes = math.ceil((event["retry_after_s"] or 0) / 60)
    if minutes < 2:
        return str(event["message"])
    wait = ngettext("You can ask again in %(n)d minute.", "You can ask again in %(n)d minutes.", minutes)
    return f"{event['message']} {wait % {'n': minutes}}"


@require_GET
async def status_page(request: HttpRequest, language: str) -> HttpResponse:
    """Models, queue, last checks and totals, on a page that needs no script. Readable whatever is away."""
    with translation.override(language):
        state, (probes, postgres), (figures, current), redis_answers = await asyncio.gather(
            _state(), probed.known(), live_facts.known(), _redis_answers()
        )
        now = timezone.now()
        context = {
            **state,
            "probes": [(probe, _is_late(probe, now)) for probe in probes or []],
            "postgres": postgres,
            "redis": redis_answers,
            "facts": figures,
            "facts_current": current,
            "energy": _written_energy(figures) if figures else {},
            "serves_since": SERVES_SINCE,
            "checked_at": now,
        }
        response = render(request, "chat/status.html", context)
        response["Content-Language"] = language
        return response


async def _redis_answers() -> bool:
    try:
        return bool(await redis().ping())
    except (RedisError, OSError, TimeoutError):
        return False


def _is_late(probe: Probe, now: datetime) -> bool:
    """Whether the look that should have come ``PROBE_S`` later has not come for a while: the worker may be away."""
    return probe.checked_at is None or (now - probe.checked_at).total_seconds() > PROBES_MISSED * settings.PROBE_S


def _written_energy(figures: Facts) -> dict[str, str]:
    """Return watt-hours with two digits that count, however small they are."""
    found = figures.energy_wh
    return {name: significant(value) for name, value in (("low", found.low), ("mid", found.mid), ("high", found.high))}


def significant(value: float, digits: int = 2) -> str:
    """Return ``value`` rounded to so many significant digits, as the current language writes it."""
    if value == 0:
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return formats.number_format(round(value, decimals), decimal_pos=max(0, decimals), force_grouping=True)


@require_GET
async def status(request: HttpRequest) -> JsonResponse:
    """What anyone may know about models and tiers: no address, no key, no version of a server."""
    return JsonResponse(await _state())


@require_GET
async def me(request: HttpRequest) -> JsonResponse:
    """Who the server thinks is asking. Without a session cookie nothing is looked up and no cookie is set."""
    found: dict[str, Any] = {"signed_in": False, "language": translation.get_language(), "csrf_token": None}
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        user = await request.auser()
        if isinstance(user, User) and user.is_active:
            found |= {
                "signed_in": True,
                "csrf_token": get_token(request),
                "keeps_chats": await sync_to_async(consent.keeps_chats)(user),
                "has_large": any(one.tier == Tier.LARGE and one.enabled for one in await snapshot.served()),
            }
    return JsonResponse(found)


async def _state() -> dict[str, Any]:
    models, tiers = [], {}
    for served in await snapshot.served():
        queue = engine.queue(served)
        ready = served.enabled and bool(engine.router.candidates([served], served.tier)) and served.state != "down"
        state, sleeping = served.state, {}
        if served.sleeps:
            awake = await wake.current(served.backend)
            ready = ready and awake.state == wake.READY
            state = awake.state
            # What a page may say of a tier that sleeps: how it stands, how long a wake takes, whether there is budget.
            sleeping = {
                "state": awake.state,
                "elapsed_s": round(awake.elapsed_s),
                "typical_wake_s": awake.typical_s,
                "budget": (await budget_state.current(AskerClass.SIGNED_IN)).level,
            }
        models.append(
            {
                "id": served.public_id,
                "name": served.name,
                "tier": served.tier,
                "hardware": served.hardware,
                "languages": list(served.languages),
                "enabled": served.enabled,
                "state": state if served.enabled else "off",
                "stand_in": served.stand_in,
                "budget": sleeping.get("budget"),
                "weights_sha256": served.weights_sha256,
                "max_output_tokens": served.max_output_tokens,
            }
        )
        tiers[served.tier] = {
            "ready": ready,
            "running": queue.answering,
            "waiting": queue.waiting,
            "expected_wait_s": queue.expected_wait_s(queue.waiting + 1) if queue.running >= queue.slots else 0,
            **sleeping,
        }
    return {"models": models, "tiers": tiers}


async def _caller(request: HttpRequest) -> doors.Caller:
    person = None
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        person = doors.person_of(await request.auser(), request.session.session_key)
    return doors.caller(
        peer=request.META.get("REMOTE_ADDR", ""),
        forwarded_for=request.headers.get("X-Forwarded-For", ""),
        person=person,
    )


def _headers(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _refusal(ask_id: str | None, error: ChatError, request_id: str) -> JsonResponse:
    return _json_error(error_event(ask_id, error, request_id=request_id), status=error.status)


def _json_error(event: Event, *, status: int | None = None) -> JsonResponse:
    """Return an error event as the one JSON shape of errors, with Retry-After where waiting helps."""
    body = {key: value for key, value in event.items() if key not in ("type", "id", "answer")}
    response = JsonResponse({"error": body}, status=status or STATUS_OF_ERROR.get(event["code"], 502))
    if event["retry_after_s"]:
        response["Retry-After"] = str(event["retry_after_s"])
    return response


def _problem(status: int, code: str, message: str, request_id: str) -> JsonResponse:
    return JsonResponse({"error": {"code": code, "message": message, "request_id": request_id}}, status=status)
