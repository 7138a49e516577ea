"""``/v1/chat/completions`` and ``/v1/completions``: limited, sized, reserved, answered, settled, in this order.

``wanted`` reads what is asked for, ``writing`` answers. Nothing is sent before the reservation stands.
"""

from dataclasses import replace

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from billing.grants import Grant
from inference.api import catalogue
from inference.api.calls import Call, running
from inference.api.errors import away, no_model, too_long, unsupported
from inference.api.exchange import Exchange
from inference.api.grounding import Grounded, Question, grounder
from inference.api.wanted import Wanted, most_tokens
from inference.api.writing import Writing
from inference.backends.base import Request
from inference.engine import engine
from inference.errors import BackendError
from inference.models import Tier
from inference.registry import Served

BYTES_A_TOKEN = 24


async def answer(exchange: Exchange, grant: Grant, wanted: Wanted) -> None:
    """Answer one request. Raises ApiError as long as nothing was sent."""
    candidates = await catalogue.find(wanted.model, grant)
    first = candidates[0] if candidates else None
    cap = _cap(first, wanted) if first else 0
    call = Call(exchange, grant, endpoint=wanted.endpoint, streamed=wanted.stream)
    async with running(call):
        await call.limit(_counted_by_limits(wanted, first, cap), large=first is not None and first.tier == Tier.LARGE)
        if first is None:
            raise no_model(wanted.model)
        if not catalogue.does(first, catalogue.CHAT):
            raise unsupported("model", _("This model makes embeddings; it does not write."))
        if wanted.request.schema is not None and first.runtime not in catalogue.GRAMMARS:
            raise unsupported("response_format")
        grounded = await _grounded(exchange, wanted, first, cap) if wanted.grounding else None
        request = _with_wishes(grounded.request, wanted.request) if grounded and grounded.request else wanted.request
        if grounded is not None and grounded.text is not None:
            await call.reserve(first, prompt_tokens=0, completion_tokens=0, body=wanted.body)
            await Writing(call, wanted, candidates, request, grounded).without_model(grounded.text)
            return
        usable = engine.router.candidates(candidates, first.tier)
        if not usable:
            raise away(10, "model_unavailable", _("This model cannot answer at the moment."))
        prompt_tokens, cap = await _sized(first, request, cap, explicit=wanted.max_tokens is not None)
        await call.reserve(first, prompt_tokens=prompt_tokens, completion_tokens=cap, body=wanted.body)
        writing = Writing(call, wanted, usable, replace(request, max_tokens=cap), grounded)
        await (writing.stream() if wanted.stream else writing.whole())


def _cap(served: Served, wanted: Wanted) -> int:
    """Return the most tokens of an answer: what was asked for, within what the model may write."""
    most = min(served.max_output_tokens, settings.CHAT_MAX_TOKENS.get(served.tier, served.max_output_tokens))
    return min(wanted.max_tokens or most, most)


def _counted_by_limits(wanted: Wanted, served: Served | None, cap: int) -> int:
    """Return what the limits of the minute count a call with: three bytes to a token, for a limit is no bill.

    At most what the model can read: a longer prompt is refused for its length, not for a limit.
    """
    tokens = most_tokens(wanted.request) // 3
    return min(tokens, served.context_tokens) + cap if served else tokens


async def _sized(served: Served, request: Request, cap: int, *, explicit: bool) -> tuple[int, int]:
    """Return an upper bound of the prompt's tokens and the cap that fits behind it. Raises ApiError 400.

    A prompt of fewer bytes than the context has room for tokens fits, unread; any other one is counted by the
    backend's own tokeniser.
    """
    context = served.context_tokens
    most = most_tokens(request)
    if most > context * BYTES_A_TOKEN:
        raise too_long(most // 4, context)  # no text has so few tokens that counting it would help
    if most <= context - cap:
        return most, cap
    counted: int | None = None
    if not served.sleeps:  # nobody wakes a card to count words: the backend has the last word
        try:
            counted = await engine.client(served).count(request)
        except BackendError:
            counted = None
    tokens = most // 4 if counted is None else counted
    if tokens >= context or (explicit and tokens + cap > context):
        raise too_long(tokens, context, cap if tokens < context else 0)
    return (min(most, context) if counted is None else counted), min(cap, context - tokens)


async def _grounded(exchange: Exchange, wanted: Wanted, served: Served, cap: int) -> Grounded:
    ground = grounder()
    if ground is None:
        raise unsupported("grounding")
    return await ground(Question(turns=wanted.request.turns, language=exchange.language, served=served, max_tokens=cap))


def _with_wishes(grounded: Request, asked: Request) -> Request:
    """Return a grounded prompt that is sampled, and ends, as the client wishes."""
    return replace(
        grounded,
        temperature=grounded.temperature if asked.temperature is None else asked.temperature,
        sampling=asked.sampling,
        stop=(*grounded.stop, *asked.stop),
    )
