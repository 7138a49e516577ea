"""One answer on its way to the client, as one body or as a stream, and its settlement.

From the first byte on whatever fails is one error event: no stream ends without either that or ``[DONE]``, unless
nobody is there to read it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from billing.ledger import Used
from inference.admission import Priority
from inference.api import waking
from inference.api.calls import Call, Outcome, restarting
from inference.api.errors import ApiError, invalid, of_inference, unexpected
from inference.api.exchange import ClientLeft, quietly
from inference.api.grounding import Grounded
from inference.api.streams import COMMENT, Shape, usage_of
from inference.api.wanted import Wanted, most_tokens
from inference.backends.base import Request, Text
from inference.engine import Completed, Started, Step, engine
from inference.errors import BackendError, InferenceError, QueueFull, Refused
from inference.registry import Served

logger = logging.getLogger(__name__)
STREAM = "text/event-stream; charset=utf-8"
COUNT_S = 1.0
SENTENCE_ENDS = (".", "!", "?")


class Writing:
    """One answer. ``candidates`` are the backends that may give it, best first."""

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
        self.shape = Shape(
            kind=wanted.endpoint,
            request_id=self.exchange.request_id,
            model=self.served.public_id,
            include_usage=wanted.include_usage,
        )
        self._guessed_tokens = max(1, most_tokens(request) // 4)
        self._last = ""  # the last piece of text
        self._silent = True  # since the last look of _keep_alive
        self._begun = False  # a backend has taken it up

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
                    self.served, self._begun = step.served, True
                elif isinstance(step, Completed):
                    self.completed = step
                yield step

    def _taken_in(self, step: Text) -> str:
        """Return a piece as the client gets it: before the first one stands what the model was begun with."""
        text = step.text if self.delivered else self.request.begun + step.text
        self.delivered += step.deltas
        self._last = text
        return text

    # --- one body ---

    async def whole(self) -> None:
        """Answer with one body. Raises ApiError."""
        words: list[str] = []
        try:
            async with aclosing(self._steps()) as steps:
                async for step in steps:
                    if isinstance(step, Text):
                        words.append(self._taken_in(step))
        except InferenceError as error:
            await self._settle_failed(error.code, _outcome(error))
            raise self._problem(error) from error
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
        text = "".join(words) + self._full_stop(reason)
        await self.exchange.answer(self.shape.whole(text, reason, usage, more), headers=self._headers())

    # --- a stream ---

    async def stream(self) -> None:
        """Answer with a stream. Raises ApiError as long as nothing was sent."""
        async with aclosing(self._steps()) as steps:
            try:
                first = await self._first(steps)
            except InferenceError as error:
                await self._settle_failed(error.code, _outcome(error))
                raise self._problem(error) from error
            await self.exchange.start(200, STREAM, self._headers() | {"x-accel-buffering": "no"})
            await self.exchange.write(COMMENT)
            pulse = asyncio.create_task(self._keep_alive())
            try:
                last = await self._streamed(steps, first)
            except ClientLeft:
                await self._settle_delivered("client_stalled", Outcome.ABORTED)
                raise
            except InferenceError as error:
                await self._settle_delivered(error.code, Outcome.FAILED)
                last = self._failure(self._problem(error))
            except Exception:
                logger.exception("%s failed in its stream", self.exchange.request_id)
                await self._settle_delivered("internal_error", Outcome.FAILED)
                last = self._failure(unexpected())
            finally:
                await quietly(pulse)
        await self.exchange.write(last, more=False)

    async def _first(self, steps: AsyncGenerator[Step, None]) -> Step | None:
        """Return the first step that tells that a stream can begin: what fails before it, fails with a status.

        A full queue does, and a schema that the runtime cannot read, which it says before its first word. A model that
        has to wake is waited for in the stream.
        """
        if self.served.sleeps:
            return None
        async for step in steps:
            if self.request.schema is None or not isinstance(step, Started):
                return step
        return None

    async def _streamed(self, steps: AsyncGenerator[Step, None], first: Step | None) -> bytes:
        """Hand the deltas on and return the last bytes, written once the call is settled."""
        if isinstance(first, Text):
            await self._deliver(first)
        async for step in steps:
            if isinstance(step, Text):
                await self._deliver(step)
        if self.call.draining:
            await self._settle_delivered("restarting", Outcome.FAILED)
            return self._failure(restarting())
        if self.call.stop.asked:
            await self._settle_delivered("client_left", Outcome.ABORTED)
            return b""
        reason, usage, more = await self._settle_done()
        opening = b"" if self.delivered else self.shape.role()
        if full_stop := self._full_stop(reason):
            opening += self.shape.delta(full_stop)
        return opening + self.shape.end(reason, usage, more)

    async def _deliver(self, step: Text) -> None:
        opening = b"" if self.delivered else self.shape.role()
        self._silent = False
        await self.exchange.write(opening + self.shape.delta(self._taken_in(step)))
        self.call.note(prompt_tokens=self._guessed_tokens, completion_tokens=self.delivered)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(settings.CHAT_KEEP_ALIVE_S)
            if self._silent:
                await self.exchange.write(COMMENT)
            self._silent = True

    def _failure(self, error: ApiError) -> bytes:
        return b"data: " + self.exchange.words(error) + b"\n\n"

    # --- without a model ---

    async def without_model(self, text: str) -> None:
        """Give an answer that stands on our pages as it is: no model, no tokens, no cost."""
        await self.call.settle(Used(Outcome.DONE, duration_ms=self.call.elapsed_ms, first_token_ms=0))
        usage = usage_of(0, 0, 0)
        more = {"receipt": {"model": None, "cost_usd": 0.0, "ai_generated": False}, **self._pages()}
        headers = self._headers() | {"x-served-model": "none", "x-ai-generated": "false"}
        if not self.wanted.stream:
            await self.exchange.answer(self.shape.whole(text, "stop", usage, more), headers=headers)
            return
        await self.exchange.start(200, STREAM, headers | {"x-accel-buffering": "no"})
        await self.exchange.write(COMMENT + self.shape.role() + self.shape.delta(text))
        await self.exchange.write(self.shape.end("stop", usage, more), more=False)

    # --- how it ended ---

    def _headers(self) -> dict[str, str]:
        return {"x-served-model": self.served.public_id, "x-tier": self.served.tier, "x-ai-generated": "true"}

    def _problem(self, error: InferenceError) -> ApiError:
        if type(error) is Refused and self.request.schema is not None:
            return invalid("response_format", _("The model’s server can make no grammar of this schema."))
        return of_inference(error)

    def _full_stop(self, reason: str) -> str:
        """Return what the stop sequence of a grounded sentence took away from its end."""
        cut = self.grounded is not None and reason == "stop" and self._last and not self._last.endswith(SENTENCE_ENDS)
        return self.grounded.full_stop if cut and self.grounded is not None else ""

    def _pages(self) -> dict[str, Any]:
        return {} if self.grounded is None else {"rung": self.grounded.rung, "sources": self.grounded.sources}

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
        more: dict[str, Any] = {"receipt": self._receipt(completed, cost), **self._pages()}
        return completed.reason, usage_of(prompt_tokens, 0, usage.completion_tokens), more

    async def _settle_delivered(self, code: str, outcome: Outcome) -> None:
        """Settle a stream that was cut short: what was delivered is paid for, and the prompt with it."""
        if not self.delivered:
            await self._settle_failed(code, outcome)
            return
        prompt_tokens = await self._count_prompt()
        await self.call.settle(self._used(outcome, prompt_tokens, self.delivered, counted=False, code=code))

    async def _settle_failed(self, code: str, outcome: Outcome = Outcome.FAILED) -> None:
        """Settle an answer that nobody got: nobody pays for it."""
        await self.call.settle(self._used(outcome, 0, 0, code=code))

    async def _count_prompt(self) -> int:
        """Count the prompt where the backend did not: by its tokeniser, or four bytes to a token."""
        try:
            # The end of an answer waits for this, and a backend that has just fallen silent may be silent here too.
            async with asyncio.timeout(COUNT_S):
                counted = await engine.client(self.served).count(self.request)
        except (BackendError, TimeoutError):
            counted = None
        return self._guessed_tokens if counted is None else counted

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
        # A card that had begun has worked, also for somebody who left before its first word.
        left = outcome == Outcome.ABORTED and self._begun
        return Used(
            outcome=outcome,
            prompt_tokens=prompt_tokens,
            cached_tokens=cached,
            completion_tokens=completion_tokens,
            counted=counted,
            error_code=code,
            gpu_ms=duration_ms if self.served.sleeps and (self.delivered or left) else 0,
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
            **({"watermark_key": served.watermark_key} if served.watermark_key else {}),
        }


def _outcome(error: InferenceError) -> Outcome:
    """Return what an answer that did not come counts as: a full queue never began it."""
    return Outcome.REFUSED if isinstance(error, QueueFull) else Outcome.FAILED
