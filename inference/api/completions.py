"""``/v1/chat/completions`` and ``/v1/completions``: limited, sized, reserved, answered, settled, in this order.

Nothing is sent before the reservation stands; from the first byte on whatever fails is one error event, and no stream
ends without either that or ``[DONE]``.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from billing.grants import Grant
from billing.ledger import Used
from inference.admission import Priority
from inference.api import catalogue, schemas, waking
from inference.api.calls import Call, Outcome, restarting, running
from inference.api.errors import (
    ApiError,
    away,
    invalid,
    no_model,
    of_inference,
    too_long,
    unexpected,
    unsupported,
)
from inference.api.exchange import Exchange, quietly
from inference.api.grounding import Grounded, Question, grounder
from inference.api.streams import COMMENT, Shape, usage_of
from inference.backends.base import Request, Text, Turn
from inference.backends.tokens import neutralise
from inference.engine import Completed, Started, Step, engine
from inference.errors import BackendError, InferenceError
from inference.models import Tier
from inference.registry import Served

logger = logging.getLogger(__name__)
ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "user",
    "function": "user",
}
TEMPLATE_TOKENS = 12  # what a chat template adds to one message, at most
STREAM = "text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for, of either endpoint. ``max_tokens`` is None where the client left it to us."""

    endpoint: str
    model: str
    request: Request
    max_tokens: int | None
    stream: bool
    include_usage: bool
    grounding: bool
    body: bytes

    @property
    def prompt_bytes(self) -> int:
        """An upper bound of the prompt's tokens, read from nothing but its size: no token is less than a byte."""
        return sum(len(turn.text.encode()) + TEMPLATE_TOKENS for turn in self.request.turns)


def of_chat(body: bytes) -> Wanted:
    """Read a body of ``/v1/chat/completions``. Raises ApiError 400."""
    asked = schemas.decode(body, schemas.chat)
    schemas.check(asked)
    turns = []
    for number, message in enumerate(asked.messages):
        text = neutralise(schemas.text_of(message.content, f"messages[{number}].content"))
        if text or message.role in ("user", "system", "developer"):
            turns.append(Turn(ROLES[message.role], text))
    if not any(turn.text.strip() for turn in turns):
        raise invalid("messages", _("No message has a text."))
    request = _request(asked, tuple(turns), schemas.schema_of(asked.response_format))
    limit = asked.max_tokens if asked.max_completion_tokens is None else asked.max_completion_tokens
    return _wanted("chat", asked, request, limit, bool(asked.grounding), body)


def of_completion(body: bytes) -> Wanted:
    """Read a body of ``/v1/completions``. Raises ApiError 400."""
    asked = schemas.decode(body, schemas.completion)
    schemas.check(asked)
    prompts = [asked.prompt] if isinstance(asked.prompt, str) else asked.prompt
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise unsupported("prompt", _("One request takes one prompt, as text."))
    text = neutralise(schemas.text_of(prompts[0], "prompt"))
    if not text.strip():
        raise invalid("prompt", _("No message has a text."))
    return _wanted("completion", asked, _request(asked, (Turn("user", text),), None), asked.max_tokens, False, body)


def _request(
    asked: schemas.ChatRequest | schemas.CompletionRequest, turns: tuple[Turn, ...], schema: dict[str, Any] | None
) -> Request:
    names = ("top_p", "frequency_penalty", "presence_penalty", "seed")
    return Request(
        turns=turns,
        temperature=asked.temperature,
        stop=schemas.stops(asked.stop),
        # What one customer asks is never in a cache that another one's question could find by its speed.
        reuse_prompt=False,
        sampling={name: value for name in names if (value := getattr(asked, name)) is not None},
        schema=schema,
    )


def _wanted(
    endpoint: str,
    asked: schemas.ChatRequest | schemas.CompletionRequest,
    request: Request,
    max_tokens: int | None,
    grounding: bool,
    body: bytes,
) -> Wanted:
    options = asked.stream_options
    return Wanted(
        endpoint=endpoint,
        model=asked.model,
        request=request,
        max_tokens=max_tokens,
        stream=bool(asked.stream),
        include_usage=bool(options and options.include_usage),
        grounding=grounding,
        body=body,
    )


async def answer(exchange: Exchange, grant: Grant, wanted: Wanted) -> None:
    """Answer one request. Raises ApiError as long as nothing was sent."""
    candidates = await catalogue.find(wanted.model, grant)
    first = candidates[0] if candidates else None
    cap = _cap(first, wanted) if first else 0
    call = Call(exchange, grant, endpoint=wanted.endpoint, streamed=wanted.stream)
    async with running(call):
        # Three bytes make a token more often than four: a limit of the minute is no bill.
        await call.limit(wanted.prompt_bytes // 3 + cap, large=first is not None and first.tier == Tier.LARGE)
        if first is None:
            raise no_model(wanted.model)
        if not catalogue.does(first, catalogue.CHAT):
            raise unsupported("model", _("This model makes embeddings; it does not write."))
        if wanted.request.schema is not None and first.runtime not in catalogue.GRAMMARS:
            raise unsupported("response_format")
        usable = engine.router.candidates(candidates, first.tier)
        if not usable:
            raise away(10, "model_unavailable", _("This model cannot answer at the moment."))
        grounded = await _grounded(exchange, wanted, first, cap) if wanted.grounding else None
        request = grounded.request if grounded is not None and grounded.request is not None else wanted.request
        prompt_tokens, cap = await _sized(first, request, cap, explicit=wanted.max_tokens is not None)
        request = replace(request, max_tokens=cap)
        await call.reserve(
            first,
            prompt_tokens=prompt_tokens,
            completion_tokens=cap,
            body=wanted.body,
        )
        writing = _Writing(call, wanted, usable, request, grounded)
        if grounded is not None and grounded.text is not None:
            await writing.without_model(grounded)
        elif wanted.stream:
            await writing.stream()
        else:
            await writing.whole()


def _cap(served: Served, wanted: Wanted) -> int:
    """Return the most tokens of an answer: what was asked for, within what the model may write."""
    most = min(served.max_output_tokens, settings.CHAT_MAX_TOKENS.get(served.tier, served.max_output_tokens))
    return min(wanted.max_tokens or most, most)


async def _sized(served: Served, request: Request, cap: int, *, explicit: bool) -> tuple[int, int]:
    """Return an upper bound of the prompt's tokens and the cap that fits behind it. Raises ApiError 400.

    A prompt of fewer bytes than the context has room for tokens fits, unread; any other one is counted by the
    backend's own tokeniser.
    """
    context = served.context_tokens
    most = sum(len(turn.text.encode()) + TEMPLATE_TOKENS for turn in request.turns)
    if most <= context - cap:
        return most, cap
    if served.sleeps:
        # Nobody wakes a card to count words: four bytes to a token, and the backend has the last word.
        counted: int | None = None
    else:
        try:
            counted = await engine.client(served).count(request)
        except BackendError:
            counted = None
    tokens = most // 4 if counted is None else counted
    if tokens >= context or (explicit and tokens + cap > context):
        raise too_long(tokens, context, cap if tokens < context else 0)
    return (most if counted is None else counted), min(cap, context - tokens)


async def _grounded(exchange: Exchange, wanted: Wanted, served: Served, cap: int) -> Grounded:
    ground = grounder()
    if ground is None:
        raise unsupported("grounding")
    return await ground(
        Question(
            turns=tuple((turn.role, turn.text) for turn in wanted.request.turns),
            language=exchange.language,
            tier=served.tier,
            languages=served.languages,
            context_tokens=served.context_tokens,
            max_tokens=cap,
        )
    )


class _Writing:
    """One answer on its way to the client."""

    def __init__(
        self, call: Call, wanted: Wanted, candidates: list[Served], request: Request, grounded: Grounded | None
    ) -> None:
        self.call = call
        self.exchange = call.exchange
        self.wanted = wanted
        self.candidates = candidates
        self.request = request
        self.grounded = grounded
        self.served = candidates[0]
        self.completed: Completed | None = None
        self.delivered = 0  # deltas handed to the client
        self.words: list[str] = []
        self.shape = Shape(
            kind=wanted.endpoint,
            request_id=self.exchange.request_id,
            model=self.served.public_id,
            include_usage=wanted.include_usage,
        )

    async def _steps(self) -> AsyncGenerator[Step, None]:
        priority = Priority.PAYING if self.call.grant.paying else Priority.SIGNED_IN
        if self.served.sleeps:
            await waking.until_ready(self.served, self.call.grant, self.call.stop)
        steps = engine.generate(
            self.request,
            candidates=self.candidates,
            priority=priority,
            owner=self.call.grant.customer_id,
            stop=self.call.stop,
        )
        async with aclosing(steps) as each:
            async for step in each:
                if isinstance(step, Started):
                    self.served = step.served
                elif isinstance(step, Completed):
                    self.completed = step
                yield step

    # --- one body ---

    async def whole(self) -> None:
        try:
            async with aclosing(self._steps()) as steps:
                async for step in steps:
                    if isinstance(step, Text):
                        self.words.append(step.text)
                        self.delivered += step.deltas
        except InferenceError as error:
            await self._settle_failed(error.code)
            raise of_inference(error) from error
        except Exception:
            await self._settle_failed("internal_error")
            raise
        if self.call.draining:
            await self._settle_failed("restarting")
            raise restarting()
        if self.call.stop.asked:
            # Nobody gets this answer, so nobody pays for it.
            await self._settle_failed("client_left", Outcome.ABORTED)
            return
        reason, usage, more = await self._settle_done()
        text = "".join(self.words)
        if not text and self.grounded is None and reason == "stop":
            logger.info("%s: an empty answer", self.exchange.request_id)
        await self.exchange.answer(self.shape.whole(text, reason, usage, more), headers=self._headers())

    # --- a stream ---

    async def stream(self) -> None:
        steps = self._steps()
        async with aclosing(steps):
            # A full queue is refused with a status; a model that first has to wake is waited for in the stream.
            pending: Step | None = None
            if not self.served.sleeps:
                try:
                    pending = await anext(steps, None)
                except InferenceError as error:
                    await self._settle_failed(error.code)
                    raise of_inference(error) from error
            await self.exchange.start(200, STREAM, self._headers())
            await self.exchange.write(COMMENT)
            pulse = asyncio.create_task(self._keep_alive())
            try:
                last = await self._streamed(steps, pending)
            except InferenceError as error:
                await self._settle_failed(error.code)
                last = self._failure(of_inference(error))
            except Exception:
                logger.exception("%s failed in its stream", self.exchange.request_id)
                await self._settle_failed("internal_error")
                last = self._failure(unexpected())
            finally:
                await quietly(pulse)
            await self.exchange.write(last, more=False)

    async def _streamed(self, steps: AsyncGenerator[Step, None], pending: Step | None) -> bytes:
        """Hand the deltas on and return the last bytes, written once the call is settled."""
        write, delta = self.exchange.write, self.shape.delta
        if pending is not None and isinstance(pending, Text):
            await self._first(pending)
        async for step in steps:
            if not isinstance(step, Text):
                continue
            if not self.delivered:
                await self._first(step)
            else:
                self._sent_now = True
                await write(delta(step.text))
                self.delivered += step.deltas
            self.call.note(prompt_tokens=self.wanted.prompt_bytes // 4, completion_tokens=self.delivered)
        if self.call.draining:
            await self._settle_delivered("restarting", Outcome.FAILED)
            return self._failure(restarting())
        if self.call.stop.asked:
            await self._settle_delivered("client_left", Outcome.ABORTED)
            return b""
        reason, usage, more = await self._settle_done()
        opening = b"" if self.delivered else self.shape.role()
        return opening + self.shape.end(reason, usage, more)

    _sent_now = False

    async def _first(self, step: Text) -> None:
        await self.exchange.write(self.shape.role() + self.shape.delta(step.text))
        self._sent_now = True
        self.delivered += step.deltas

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(settings.CHAT_KEEP_ALIVE_S)
            if not self._sent_now:
                await self.exchange.write(COMMENT)
            self._sent_now = False

    def _failure(self, error: ApiError) -> bytes:
        return b"data: " + self.exchange.words(error) + b"\n\n"

    # --- without a model ---

    async def without_model(self, grounded: Grounded) -> None:
        """Give an answer that stands on our pages as it is: no model, no tokens, no cost."""
        text = cast("str", grounded.text)
        self.words = [text]
        await self.call.settle(Used(Outcome.DONE, duration_ms=self.call.elapsed_ms, first_token_ms=0))
        usage = usage_of(0, 0, 0)
        more = {"rung": grounded.rung, "sources": grounded.sources, "receipt": {"model": None, "cost_usd": 0.0}}
        if not self.wanted.stream:
            await self.exchange.answer(self.shape.whole(text, "stop", usage, more), headers=self._headers())
            return
        await self.exchange.start(200, STREAM, self._headers())
        await self.exchange.write(COMMENT + self.shape.role() + self.shape.delta(text))
        await self.exchange.write(self.shape.end("stop", usage, more), more=False)

    # --- how it ended ---

    def _headers(self) -> dict[str, str]:
        return {"x-served-model": self.served.public_id, "x-tier": self.served.tier, "x-ai-generated": "true"}

    async def _settle_done(self) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Settle a complete answer; return its reason, its usage, and what else is said of it."""
        completed = self.completed
        assert completed is not None  # the engine ends with it unless it was asked to stop
        usage = completed.usage
        prompt_tokens = usage.prompt_tokens if usage.counted else await self._count_prompt()
        used = self._used(
            Outcome.DONE, prompt_tokens, usage.completion_tokens, counted=usage.counted, cached=usage.cached_tokens
        )
        cost = await self.call.settle(used)
        more: dict[str, Any] = {"receipt": self._receipt(completed, cost)}
        if self.grounded is not None:
            more |= {"rung": self.served.tier, "sources": self.grounded.sources}
        return completed.reason, usage_of(prompt_tokens, 0, usage.completion_tokens), more

    async def _settle_delivered(self, code: str, outcome: Outcome) -> None:
        """Settle an answer that was cut short: what was delivered is paid for, and the prompt with it."""
        if not self.delivered:
            await self._settle_failed(code, outcome)
            return
        prompt_tokens = await self._count_prompt()
        await self.call.settle(self._used(outcome, prompt_tokens, self.delivered, counted=False, code=code))

    async def _settle_failed(self, code: str, outcome: Outcome = Outcome.FAILED) -> None:
        """Settle what broke: a stream's delivered words are paid for, an answer that nobody got is not."""
        if self.delivered and self.wanted.stream:
            prompt_tokens = await self._count_prompt()
            await self.call.settle(self._used(outcome, prompt_tokens, self.delivered, counted=False, code=code))
        else:
            await self.call.settle(self._used(outcome, 0, 0, code=code))

    async def _count_prompt(self) -> int:
        """Count the prompt where the backend did not: by its tokeniser, or four bytes to a token."""
        try:
            counted = await engine.client(self.served).count(self.request)
        except BackendError:
            counted = None
        return max(1, self.wanted.prompt_bytes // 4) if counted is None else counted

    def _used(
        self,
        outcome: Outcome,
        prompt_tokens: int,
        completion_tokens: int,
        *,
        counted: bool = True,
        cached: int = 0,
        code: str = "",
    ) -> Used:
        completed = self.completed
        duration_ms = completed.duration_ms if completed else self.call.elapsed_ms
        return Used(
            outcome=outcome,
            prompt_tokens=prompt_tokens,
            cached_tokens=cached,
            completion_tokens=completion_tokens,
            counted=counted,
            error_code=code,
            gpu_ms=duration_ms if self.served.sleeps and self.delivered else 0,
            first_token_ms=completed.first_token_ms if completed else None,
            duration_ms=duration_ms,
            energy_mj=round(completed.effort.energy_j["mid"] * 1000) if completed else 0,
        )

    def _receipt(self, completed: Completed, cost_microusd: int) -> dict[str, Any]:
        served = completed.served
        return {
            "model": served.public_id,
            "model_name": served.name,
            "tier": served.tier,
            "hardware": served.hardware,
            "stand_in": served.stand_in,
            "weights_sha256": served.weights_sha256 or None,
            "usage_counted": completed.usage.counted,
            "first_token_ms": completed.first_token_ms,
            "duration_ms": completed.duration_ms,
            "cost_usd": cost_microusd / 1_000_000,
            "energy_j": completed.effort.energy_j,
            "method": completed.effort.method,
            "ai_generated": True,
        }
