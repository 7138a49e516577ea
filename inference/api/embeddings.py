"""``/v1/embeddings``: limited, reserved, put into vectors, settled; nothing is delivered that was not counted.

A text longer than the model reads is cut there, as this model always does it, and the response names it in
``truncated``: whoever makes pieces of documents wants to know, and nobody has to count tokens before.
"""

import asyncio
import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from billing.grants import Grant
from billing.ledger import Used
from inference.admission import Priority, Ticket, admitted
from inference.api import catalogue, schemas
from inference.api.calls import Call, Outcome, restarting, running
from inference.api.errors import away, invalid, no_model, of_inference, unsupported
from inference.api.exchange import Exchange
from inference.backends.embeddings import RUNTIMES, Embeddings, floats
from inference.energy import METHOD, METHOD_DURATION, Effort
from inference.engine import engine
from inference.errors import BackendError, CircuitOpen, InferenceError, SwitchedOff, TimedOut
from inference.registry import Served, snapshot

# Sent together: enough that the way costs little, and few enough that whoever leaves is noticed within a second or two.
BATCH = 16
ENDS_TOKENS = 2  # the first and the last token of every text are the model's own


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for."""

    model: str
    texts: tuple[str, ...]
    encoding: Literal["float", "base64"]
    dimensions: int | None
    body: bytes

    def most_tokens(self, context_tokens: int, *, bytes_each: int = 1) -> int:
        """Return an upper bound of the tokens, of which each is so many bytes at least."""
        sizes = (len(text.encode()) // bytes_each + ENDS_TOKENS for text in self.texts)
        return sum(min(size, context_tokens) for size in sizes)


@dataclass(slots=True)
class _Made:
    """What has been made so far."""

    vectors: list[bytes] = field(default_factory=list)
    tokens: int = 0
    cut: list[int] = field(default_factory=list)
    duration_ms: int = 0
    effort: Effort = field(default_factory=lambda: Effort(0.0, METHOD))


def of_embeddings(body: bytes) -> Wanted:
    """Read a body of ``/v1/embeddings``. Raises ApiError 400."""
    asked = schemas.decode(body, schemas.embedding)
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    for place, text in enumerate(texts):
        param = "input" if isinstance(asked.input, str) else f"input[{place}]"
        if isinstance(text, int | list):
            raise unsupported(
                "input",
                _(
                    "%(param)s holds token ids. Our models have tokens of their own: send text. LangChain’s"
                    " OpenAIEmbeddings does so with check_embedding_ctx_length=False."
                ),
            )
        if not isinstance(text, str):
            raise invalid(param, _("“%(name)s” is not a text."), name=param)
        if not text:
            raise invalid(param, _("“%(name)s” is an empty text."), name=param)
    return Wanted(asked.model, tuple(texts), asked.encoding_format or "float", asked.dimensions, body)


async def answer(exchange: Exchange, grant: Grant, wanted: Wanted) -> None:
    """Answer one request. Raises ApiError."""
    candidates = await catalogue.find(wanted.model, grant)
    first = candidates[0] if candidates else None
    call = Call(exchange, grant, endpoint="embedding", streamed=False)
    async with running(call):
        context = first.context_tokens if first else settings.LLM_EMBED["context_tokens"]
        await call.limit(wanted.most_tokens(context, bytes_each=3), large=False)
        if first is None:
            raise no_model(wanted.model)
        if not catalogue.does(first, catalogue.EMBEDDINGS):
            raise unsupported("model", _("This model writes; it makes no embeddings."))
        if wanted.dimensions not in (None, first.dimensions):
            text = _("A vector of this model has %(dimensions)d dimensions, no more and no fewer.")
            raise invalid("dimensions", text, dimensions=first.dimensions)
        usable = engine.router.candidates(candidates, first.tier)
        if not usable:
            raise away(10, "model_unavailable", _("This model cannot answer at the moment."))
        served = usable[0]
        await call.reserve(served, prompt_tokens=wanted.most_tokens(context), completion_tokens=0, body=wanted.body)
        made = await _make(call, served, wanted.texts)
        if made is None:
            return
        used = _used(call, Outcome.DONE, made)
        cost = await call.settle(used)
        await exchange.answer(
            _response(served, wanted, made, cost),
            headers={"x-served-model": served.public_id, "x-tier": served.tier},
        )


async def _make(call: Call, served: Served, texts: Sequence[str]) -> _Made | None:
    """Return the vectors of all texts, or None when nobody waits for them any more. Raises ApiError.

    A request is answered whole or not at all, so what was begun for one that fails is not billed.
    """
    made = _Made()
    try:
        await _through_queue(call, served, texts, made)
    except InferenceError as error:
        await call.settle(_used(call, Outcome.FAILED, code=error.code))
        raise of_inference(error) from error
    except Exception:
        await call.settle(_used(call, Outcome.FAILED, code="internal_error"))
        raise
    if call.draining and len(made.vectors) < len(texts):
        await call.settle(_used(call, Outcome.FAILED, code="restarting"))
        raise restarting()
    if call.stop.asked and not call.draining:
        await call.settle(_used(call, Outcome.ABORTED, code="client_left"))
        return None
    return made


async def _through_queue(call: Call, served: Served, texts: Sequence[str], made: _Made) -> None:
    """Fill ``made`` once it is our turn; stops early when the call is asked to. Raises InferenceError."""
    breaker = engine.router.breaker(served.backend)
    if not breaker.allows(time.monotonic()):
        raise CircuitOpen
    priority = Priority.PAYING if call.grant.paying else Priority.SIGNED_IN
    try:
        async with admitted(engine.queue(served), priority, call.grant.customer_id) as ticket:
            await _in_batches(call, served, texts, made, ticket)
    except CircuitOpen:
        raise
    except BackendError as error:
        # There is no other limit of time here, so one that made nothing in it is silent; else there was too much to do.
        ran_long = isinstance(error, TimedOut) and made.vectors
        if not ran_long:
            breaker.failed(time.monotonic(), owner=call.grant.customer_id if isinstance(error, TimedOut) else None)
        raise
    if made.vectors:
        breaker.succeeded()


async def _in_batches(call: Call, served: Served, texts: Sequence[str], made: _Made, ticket: Ticket) -> None:
    waited = False
    async for _place in ticket.places(call.stop):
        waited = True
    if call.stop.asked:
        return
    if waited and engine.router.breaker(served.backend).is_open(time.monotonic()):
        raise CircuitOpen
    meter, began = engine.meter(served), time.monotonic()
    ends = asyncio.get_running_loop().time() + settings.LLM_TOTAL_S
    meter.begin(id(call))
    try:
        for first in range(0, len(texts), BATCH):
            if not any(one.enabled for one in await snapshot.served() if one.backend == served.backend):
                raise SwitchedOff(served.public_id)
            try:
                async with call.stop.waiting(ends):
                    found = await client(served).embed(texts[first : first + BATCH])
            except TimeoutError as error:
                if call.stop.asked:
                    return
                raise TimedOut("total") from error
            made.vectors += found.vectors
            made.tokens += found.tokens
            made.cut += [first + place for place in found.cut]
    finally:
        cpu_s = meter.end(id(call))
        seconds = time.monotonic() - began
        made.duration_ms = round(seconds * 1000)
        made.effort = Effort(round(seconds, 3), METHOD_DURATION) if cpu_s is None else Effort(round(cpu_s, 3), METHOD)


def _used(call: Call, outcome: Outcome, made: _Made | None = None, *, code: str = "") -> Used:
    if made is None:
        return Used(outcome, error_code=code, duration_ms=call.elapsed_ms)
    return Used(
        outcome,
        prompt_tokens=made.tokens,
        duration_ms=made.duration_ms,
        energy_mj=round(made.effort.energy_j["mid"] * 1000),
    )


def _response(served: Served, wanted: Wanted, made: _Made, cost_microusd: int) -> dict[str, Any]:
    def written(vector: bytes) -> str | list[float]:
        return base64.b64encode(vector).decode() if wanted.encoding == "base64" else floats(vector)

    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": written(vector)}
            for index, vector in enumerate(made.vectors)
        ],
        "model": served.public_id,
        "usage": {"prompt_tokens": made.tokens, "total_tokens": made.tokens},
        "truncated": made.cut,
        "receipt": {
            "model": served.public_id,
            "model_name": served.name,
            "tier": served.tier,
            "hardware": served.hardware,
            "weights_sha256": served.weights_sha256 or None,
            "usage_counted": True,
            "duration_ms": made.duration_ms,
            "cost_usd": cost_microusd / 1_000_000,
            "energy_j": made.effort.energy_j,
            "method": made.effort.method,
        },
    }


_clients: dict[str, Embeddings] = {}


def client(served: Served) -> Embeddings:
    """Return this process's client of a backend."""
    if served.backend not in _clients:
        _clients[served.backend] = RUNTIMES[served.runtime](
            served.url,
            served.key,
            served.upstream_model,
            context_tokens=served.context_tokens,
            dimensions=served.dimensions,
        )
    return _clients[served.backend]


async def close() -> None:
    """Close every connection to a backend."""
    for each in _clients.values():
        await each.close()
    _clients.clear()
