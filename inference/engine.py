"""The one engine behind every door: pick a backend, wait for a place, stream, count.

    async for step in generate(request, tier="small", priority=Priority.ANONYMOUS):
        Waiting(place, wait_s) … Started(served) … Text … Completed(served, finish, usage, effort, times)

Closing the generator stops the backend. A backend that fails before its first text is replaced by the
next one; after that a failure is an error, never a silent end.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from dataclasses import dataclass, replace

from django.conf import settings

from inference import wake
from inference.admission import Admission, Priority, Ticket, admitted
from inference.backends.base import BackendClient, Finished, Request, Text, Usage
from inference.backends.llamacpp import LlamaCpp
from inference.backends.ollama import LATEST, Ollama
from inference.backends.openai import OpenAICompatible
from inference.backends.vllm import VLlm
from inference.energy import METHOD, METHOD_CARD, METHOD_DURATION, METHOD_TIMINGS, WATTS_PER_CARD, Effort, Meter
from inference.errors import Asleep, BackendError, CircuitOpen, NoModel, Refused, SwitchedOff, TimedOut
from inference.models import Hardware
from inference.registry import Served, snapshot
from inference.routing import Router
from inference.stopping import StopSignal

RUNTIMES: dict[str, type[OpenAICompatible]] = {"llamacpp": LlamaCpp, "vllm": VLlm, "ollama": Ollama}


@dataclass(frozen=True, slots=True)
class Waiting:
    place: int
    wait_s: int


@dataclass(frozen=True, slots=True)
class Started:
    served: Served


@dataclass(frozen=True, slots=True)
class Completed:
    """How a completion ended. Times are milliseconds since the place at work was taken."""

    served: Served
    reason: str
    usage: Usage
    effort: Effort
    first_token_ms: int
    duration_ms: int


Step = Waiting | Started | Text | Completed


class Engine:
    """Clients, queues, breakers and meters of this process's event loop."""

    def __init__(self) -> None:
        self.router = Router()
        self._clients: dict[tuple[str, str], BackendClient] = {}
        self._queues: dict[str, Admission] = {}
        self._meters: dict[str, Meter] = {}
        self._numbers = itertools.count()

    def client(self, served: Served) -> BackendClient:
        named = (served.backend, served.upstream_model)
        if named not in self._clients:
            self._clients[named] = RUNTIMES[served.runtime](served.url, served.key, served.upstream_model)
        return self._clients[named]

    def queue(self, served: Served) -> Admission:
        if served.backend not in self._queues:
            self._queues[served.backend] = Admission(served.slots, served.queue)
        return self._queues[served.backend]

    def meter(self, served: Served) -> Meter:
        if served.backend not in self._meters:
            self._meters[served.backend] = Meter(served.pid_file)
        return self._meters[served.backend]

    async def candidates(self, tier: str) -> list[Served]:
        """Return who may answer for ``tier`` now. Raises NoModel when nobody may."""
        found = self.router.candidates(await snapshot.served(), tier)
        if not found:
            raise NoModel(tier)
        return found

    async def generate(
        self,
        request: Request,
        *,
        candidates: list[Served],
        priority: Priority,
        owner: Hashable = None,
        stop: StopSignal | None = None,
    ) -> AsyncGenerator[Step, None]:
        """Complete ``request`` with the first of ``candidates`` that can. Raises InferenceError.

        Places are shared fairly among the owners of one priority. Whoever waits last in a full queue loses its place
        to one who is served before it, by QueueFull.

        Asked to stop, it ends with ``Completed`` and the reason *stopped*, or with nothing when no backend had begun.
        """
        stop = stop or StopSignal()
        for served in candidates:
            begun = False
            last = served is candidates[-1]
            breaker = self.router.breaker(served.backend)
            if not breaker.allows(time.monotonic()):
                if last:
                    raise CircuitOpen
                continue
            try:
                async with admitted(self.queue(served), priority, owner) as ticket:
                    async with aclosing(self._run(served, request, ticket, stop)) as steps:
                        async for step in steps:
                            begun = begun or isinstance(step, Text)
                            yield step
                if begun:
                    breaker.succeeded()  # an asker who stopped a silent backend has proved nothing about it
                return
            except Refused:
                raise  # the question's fault, not the backend's: no other one fares better
            except BackendError as error:
                ran_long = isinstance(error, TimedOut) and error.which == "total"  # as long as it was asked to
                if not ran_long and not isinstance(error, CircuitOpen):
                    # Only a time that ran out may be the question's fault.
                    breaker.failed(time.monotonic(), owner=owner if isinstance(error, TimedOut) else None)
                if begun or last:
                    raise

    async def _run(
        self, served: Served, request: Request, ticket: Ticket, stop: StopSignal
    ) -> AsyncGenerator[Step, None]:
        # What was reserved for an answer of a sleeping backend includes its wait for a place.
        ends = asyncio.get_running_loop().time() + settings.LLM_GPU_ANSWER_MAX_S if served.sleeps else None
        waited = False
        async for place, wait_s in ticket.places(stop):
            waited = True
            yield Waiting(place, wait_s)
        if stop.asked:
            return
        if waited and self.router.breaker(served.backend).is_open(time.monotonic()):
            # It failed for those in front while we waited: no use in finding out one by one.
            raise CircuitOpen
        if served.sleeps:
            served = await _awake(served)
        yield Started(served)
        request = replace(request, max_tokens=min(request.max_tokens, served.max_output_tokens))
        number, meter = next(self._numbers), self.meter(served)
        meter.begin(number)
        cpu_s: float | None = None
        started = time.monotonic()
        first_token: float | None = None
        finished: Finished | None = None
        try:
            async with aclosing(self._limited(served, request, stop, ends)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Finished):
                        finished = piece
                    else:
                        first_token = first_token or time.monotonic()
                        yield piece
        finally:
            cpu_s = meter.end(number)
        ended = time.monotonic()
        assert finished is not None  # promise 1 of the backends
        yield Completed(
            served=served,
            reason=finished.reason,
            usage=finished.usage,
            effort=_effort(served, cpu_s, finished.usage, ended - started),
            first_token_ms=round(((first_token or ended) - started) * 1000),
            duration_ms=round((ended - started) * 1000),
        )

    async def _limited(
        self, served: Served, request: Request, stop: StopSignal, ends: float | None
    ) -> AsyncGenerator[Text | Finished, None]:
        """Stream within the total limit, looking at the switch every few seconds."""
        ends = ends or asyncio.get_running_loop().time() + settings.LLM_TOTAL_S
        look = time.monotonic() + settings.SWITCH_CHECK_S
        delivered = 0
        async with aclosing(self.client(served).stream(request)) as pieces:
            while True:
                try:
                    async with stop.waiting(ends):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    if stop.asked:
                        yield Finished("stopped", Usage(0, 0, delivered, counted=False))
                        return
                    raise TimedOut("total") from error
                yield piece
                if isinstance(piece, Text):
                    delivered += piece.deltas
                if isinstance(piece, Text) and delivered > request.max_tokens:
                    # A piece holds a token or more: a server past this point has lost count of the cap.
                    yield Finished("length", Usage(0, 0, delivered, counted=False))
                    return
                if time.monotonic() > look:
                    look = time.monotonic() + settings.SWITCH_CHECK_S
                    if served.sleeps:
                        wake.touch_soon(served.backend)
                    if not await self._still_on(served):
                        raise SwitchedOff(served.public_id)

    async def _still_on(self, served: Served) -> bool:
        return any(now.enabled for now in await snapshot.served() if now.backend == served.backend)

    async def close(self) -> None:
        """Close every connection to a backend."""
        for client in self._clients.values():
            await client.close()
        self._clients.clear()


async def _awake(served: Served) -> Served:
    """Return ``served`` under the name its backend lists, and note that it is used. Raises Asleep."""
    now = await wake.current(served.backend)
    if now.state != wake.READY:
        raise Asleep
    wake.touch_soon(served.backend)
    if now.model in ("", served.upstream_model):
        return served
    if now.model.removesuffix(LATEST) == served.upstream_model:
        return replace(served, upstream_model=now.model)
    # One of the fallbacks: what was declared about the weights is not about these.
    return replace(served, upstream_model=now.model, name=now.model, weights_sha256="", digest_checked=False)


def _effort(served: Served, cpu_s: float | None, usage: Usage, duration_s: float) -> Effort:
    """Prefer the process's own CPU time; a server elsewhere is judged by the times it reports, or by our own clock."""
    if served.hardware == Hardware.GPU:
        return Effort(round(duration_s, 3), METHOD_CARD, WATTS_PER_CARD, settings.LLM_GPU_USD_PER_HOUR)
    if cpu_s is not None:
        return Effort(round(cpu_s, 3), METHOD)
    reported_s = (usage.prompt_ms + usage.completion_ms) / 1000
    if reported_s:
        return Effort(round(reported_s, 3), METHOD_TIMINGS)
    return Effort(round(duration_s, 3), METHOD_DURATION)


engine = Engine()
