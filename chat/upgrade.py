"""The large tier for signed-in people.

Awake, it answers. Asleep, the small model answers at once, the large one is woken meanwhile, and when it is ready it
answers the same question again: a second version beside the first, never in its place (``CHAT_AUTH_CPU_FIRST``, the
default). With ``CHAT_AUTH_CPU_FIRST=0`` the asker waits for it instead, and gets the small model when it does not
come. Seconds are paid for before each answer, so no budget is met in the middle of one.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

from django.conf import settings

from chat.askers import Asker, Person
from chat.errors import ChatError, LargeAway, SignedOut
from chat.events import Answer, Event
from chat.writing import Draft, Written, write
from compliance.database import in_thread
from inference import budget, budget_state, tally, wake
from inference.errors import BudgetSpent, InferenceError, WakeRefused
from inference.models import Tier
from inference.registry import Served, snapshot
from inference.stopping import StopSignal

logger = logging.getLogger(__name__)
LOOK_S = 0.5
TELL_EVERY_S = 5.0  # how often the page hears how long it has waited
BUDGET_SPENT, LARGE_AWAY, LARGE_OFF = "budget_spent", "large_away", "large_off"


class Chance:
    """What the large tier can do for one question.

    ``ready`` may answer now, ``wakes`` is on its way and answers later, ``notice`` is the code of the sentence that
    says why neither; ``shorter`` when the budget is tight.
    """

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.ready: list[Served] = []
        self.wakes: Served | None = None
        self.notice: str | None = None
        self.shorter = False

    async def take(self, answer: Answer, stop: StopSignal) -> AsyncGenerator[Event, None]:
        """Find out, waking the large model if it sleeps; yields events only where the asker waits for it."""
        person = self.asker.person
        served = await _large(answer.language) if person is not None else None
        if person is None or served is None:
            return
        if not served.enabled:
            self.notice = LARGE_OFF
            return
        if await self.is_ready(served, person):
            return
        if self.notice or not (self.asker.takes_versions or not settings.CHAT_AUTH_CPU_FIRST):
            return
        self.notice = await _ask_for_wake(served, person)
        if self.notice:
            return
        if settings.CHAT_AUTH_CPU_FIRST:
            self.wakes = served
            return
        async with aclosing(_until_ready(answer, served, stop)) as events:
            async for event in events:
                yield event
        if not stop.asked and not await self.is_ready(served, person):
            self.notice = self.notice or LARGE_AWAY

    async def is_ready(self, served: Served, person: Person) -> bool:
        """Whether the model is awake and this answer is paid for; a budget without room becomes the notice."""
        state = await wake.current(served.backend)
        if state.state != wake.READY:
            return False
        try:
            paid = await _pay(state.wake_id, person)
        except BudgetSpent:
            self.notice = BUDGET_SPENT
            return False
        if paid:
            wake.touch_soon(served.backend)
            self.ready = [served]
            self.shorter = (await budget_state.current(person.asker_class)).is_tight
        return paid


async def second_version(answer: Answer, draft: Draft, chance: Chance, stop: StopSignal) -> AsyncGenerator[Event, None]:
    """Yield the events of the large model's version once it is awake: ``done``, or ``error`` while the first stands."""
    served, person = chance.wakes, chance.asker.person
    assert served is not None and person is not None
    try:
        async with aclosing(_until_ready(answer, served, stop)) as events:
            async for event in events:
                yield event
        if stop.asked:
            yield answer.event("done", finish_reason="stopped", rung=None, receipt=None, seal=None, tree=[])
            return
        # Minutes may have passed: the session is asked again, and this answer is paid for now.
        if not await person.signed_in():
            raise SignedOut
        if not await chance.is_ready(served, person):
            raise LargeAway(chance.notice or LARGE_AWAY)
        end = Written()
        answer.started = time.monotonic()
        async with aclosing(write(answer, draft, stop, end)) as events:
            async for event in events:
                yield event
        if end.receipt is None:
            yield answer.event("done", finish_reason="stopped", rung=None, receipt=None, seal=None, tree=[])
            return
        yield answer.done(end.reason, end.receipt)
    except (ChatError, InferenceError) as error:
        if isinstance(error, InferenceError):
            tally.record_failure(rung=Tier.LARGE, language=answer.language)
        logger.info("%s: no second version (%s)", answer.request_id, error.code)
        yield answer.failed(error)
    except Exception:
        tally.record_failure(rung=Tier.LARGE, language=answer.language)
        logger.exception("%s: the second version failed", answer.request_id)
        yield answer.failed(ChatError())


async def _large(language: str) -> Served | None:
    """Return the large model that writes ``language``, switched off or not."""
    return next((one for one in await snapshot.served() if one.tier == Tier.LARGE and one.writes(language)), None)


async def _ask_for_wake(served: Served, person: Person) -> str | None:
    """Ask for a wake, or join the one under way. Returns the code of what stands against it."""
    try:
        await in_thread(
            wake.request,
            served.backend,
            asker_class=person.asker_class,
            subject=person.public_id,
            reserve=budget.reserve,
        )
    except BudgetSpent:
        return BUDGET_SPENT
    except WakeRefused as refused:
        return LARGE_OFF if refused.reason == "switched_off" else LARGE_AWAY
    except Exception as error:
        # A database that is away must not take the small model's answer with it.
        logger.warning("no wake asked for (%s)", type(error).__name__)
        return LARGE_AWAY
    return None


async def _pay(wake_id: int | None, person: Person) -> bool:
    """Reserve this answer's hard limits on the wake under way; False when it is over. Raises BudgetSpent."""
    if wake_id is None:
        return False
    try:
        return await in_thread(budget.extend, wake_id, person.asker_class, person.public_id)
    except BudgetSpent:
        raise
    except Exception as error:
        logger.warning("not paid for (%s)", type(error).__name__)
        return False


async def _until_ready(answer: Answer, served: Served, stop: StopSignal) -> AsyncGenerator[Event, None]:
    """Yield *loading* every few seconds until the model is ready, asked to stop, or past the limit of a wake.

    Raises LargeAway when the wake fails.
    """
    began = time.monotonic()
    ends = began + settings.LLM_GPU_WAKE_TIMEOUT_S
    told = 0.0
    while time.monotonic() < ends and not stop.asked:
        state = await wake.current(served.backend)
        if state.state == wake.READY:
            return
        if state.state in wake.OVER:
            raise LargeAway
        if not told or time.monotonic() - told >= TELL_EVERY_S:
            told = time.monotonic()
            left_s = None if state.typical_s is None else max(1, round(state.typical_s - state.elapsed_s))
            event = answer.status("loading", served, wait_s=left_s)
            yield event | {"elapsed_s": round(state.elapsed_s), "typical_s": state.typical_s}
        with suppress(TimeoutError):
            async with stop.waiting(asyncio.get_running_loop().time() + LOOK_S):
                await asyncio.Event().wait()
    if not stop.asked:
        raise LargeAway
