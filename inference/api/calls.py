"""The life of one call that costs something: limited, reserved, run, settled; and all of them at a shutdown."""

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from billing import ledger
from billing.errors import BillingError
from billing.grants import Grant
from billing.ledger import Used
from billing.models import UsageRecord
from billing.prices import cost, prices
from inference.api import limits
from inference.api.errors import ApiError, away, invalid, of_ledger
from inference.api.exchange import Exchange, quietly
from inference.registry import Served
from inference.stopping import StopSignal

logger = logging.getLogger(__name__)
PROGRESS_S = 2.0
MAX_IDEMPOTENCY_CHARS = 255
Outcome = UsageRecord.Outcome


class Draining(Exception):
    """This process is about to stop; another one, or its successor, answers in a moment."""


class Call:
    """One call. ``stop`` ends it early: because the client left, or because the process is to stop."""

    def __init__(self, exchange: Exchange, grant: Grant, *, endpoint: str, streamed: bool) -> None:
        self.exchange = exchange
        self.grant = grant
        self.endpoint = endpoint
        self.streamed = streamed
        self.stop = StopSignal()
        self.draining = False
        self.began = time.monotonic()
        self.microusd = 0
        self._reserved: ledger.Call | None = None
        self._taken: limits.Taken | None = None
        self._noted_at = self.began

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.began) * 1000)

    async def limit(self, tokens: int, *, large: bool) -> None:
        """Take the call's place in the limits of the minute. Raises ApiError 429, 503."""
        self._taken = await limits.take(self.grant, request_id=self.exchange.request_id, tokens=tokens, large=large)
        self.exchange.headers |= self._taken.headers

    async def reserve(self, served: Served, *, prompt_tokens: int, completion_tokens: int, body: bytes) -> None:
        """Reserve the most that the call can take. Raises ApiError 401, 402, 409, 422, 503."""
        price = (await self._prices()).get(served.public_id)
        if price is None:
            logger.error("%s has no price, nothing is sold for nothing", served.public_id)
            raise away(60, "model_unpriced")
        key = self.exchange.header("idempotency-key")
        if len(key) > MAX_IDEMPOTENCY_CHARS:
            raise invalid("Idempotency-Key", _("An Idempotency-Key has at most 255 characters."))
        call = ledger.Call(
            request_id=self.exchange.request_id,
            grant=self.grant,
            endpoint=self.endpoint,
            model=served.public_id,
            streamed=self.streamed,
            microusd=cost(price, prompt_tokens, completion_tokens),
            gpu_ms=round(settings.LLM_GPU_ANSWER_MAX_S * 1000) if served.sleeps else 0,
            idempotency=_digest(key.encode()) if key else None,
            body=_digest(body) if key else "",
            price=price,
        )
        try:
            await ledger.reserve(call)
        except BillingError as error:
            raise of_ledger(error) from error
        self._reserved = call

    async def _prices(self) -> dict[str, tuple[int, int]]:
        try:
            return await prices.current()
        except Exception as error:
            raise away(5) from error

    def note(self, *, prompt_tokens: int, completion_tokens: int) -> None:
        """Write down every few seconds what a long answer has delivered, in case this process dies."""
        now = time.monotonic()
        if self._reserved is None or now - self._noted_at < PROGRESS_S:
            return
        self._noted_at = now
        noting = ledger.progress(self._reserved, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
        _keep(asyncio.create_task(noting))

    async def settle(self, used: Used) -> int:
        """Write what the call took; returns its cost in millionths of a dollar. On disk when it returns."""
        if self._reserved is None:
            return 0
        reserved, self._reserved = self._reserved, None
        if self._taken is not None:
            taken, self._taken = self._taken, None
            # Who leaves early has made a model work all the same: a bill is for what was delivered, a limit is not.
            left = used.outcome == Outcome.ABORTED
            tokens = taken.tokens if left else used.prompt_tokens + used.completion_tokens
            _keep(asyncio.create_task(limits.give_back(taken, used_tokens=tokens)))
        self.microusd = await ledger.settle(reserved, used)
        logger.info(
            "%s %s %s %s: %d + %d tokens in %d ms",
            self.exchange.request_id,
            self.endpoint,
            reserved.model,
            used.outcome,
            used.prompt_tokens,
            used.completion_tokens,
            used.duration_ms,
        )
        return self.microusd

    async def close(self) -> None:
        """End whatever is still open: a call that was never run costs nothing."""
        if self._reserved is not None:
            await self.settle(Used(Outcome.REFUSED, duration_ms=self.elapsed_ms))
        if self._taken is not None:
            taken, self._taken = self._taken, None
            _keep(asyncio.create_task(limits.give_back(taken, used_tokens=0)))


_running: set[Call] = set()
_tasks: set["asyncio.Task[None]"] = set()
_draining = False


def _keep(task: "asyncio.Task[None]") -> None:
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


@asynccontextmanager
async def running(call: Call) -> AsyncIterator[Call]:
    """Hold a call open: watch whether its client leaves, and settle it whatever happens. Raises ApiError 503."""
    if _draining:
        raise away(2, "restarting")
    _running.add(call)
    watch = asyncio.create_task(_until_left(call))
    try:
        yield call
    finally:
        _running.discard(call)
        await quietly(watch)
        await call.close()


async def _until_left(call: Call) -> None:
    await call.exchange.until_left()
    call.stop.ask()


async def drain() -> None:
    """Refuse new calls, let running ones finish for ``CHAT_DRAIN_S``, then end the others with a word."""
    global _draining
    _draining = True
    ends = time.monotonic() + settings.CHAT_DRAIN_S
    while _running and time.monotonic() < ends:  # noqa: ASYNC110 - a second's wait, once in a process's life
        await asyncio.sleep(0.05)
    for call in list(_running):
        call.draining = True
        call.stop.ask()
    ends = time.monotonic() + settings.CHAT_DRAIN_S
    while (_running or _tasks) and time.monotonic() < ends:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


def restarting() -> ApiError:
    return away(2, "restarting")


def _digest(data: bytes) -> str:
    """Return a keyed digest: it tells two bodies apart and nothing about either."""
    return hmac.digest(settings.PRIVACY_PEPPER.encode(), b"idempotency:" + data, "sha256").hex()
