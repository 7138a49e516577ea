"""The large model for a customer: woken, waited for and paid for before it answers, within the operator's budget."""

import asyncio
import time
from contextlib import suppress

from django.conf import settings

from billing.grants import Grant
from compliance.database import in_thread
from inference import budget, wake
from inference.errors import BudgetSpent, Unavailable, WakeRefused
from inference.models import AskerClass
from inference.registry import Served
from inference.stopping import StopSignal

LOOK_S = 0.5


async def until_ready(served: Served, grant: Grant, stop: StopSignal) -> None:
    """Return when a sleeping backend is awake and this answer is paid for, or when asked to stop.

    Raises BudgetSpent, WakeRefused, and Unavailable past the limit of a wake.
    """
    asker_class = AskerClass.PAYING if grant.paying else AskerClass.SIGNED_IN
    ends = time.monotonic() + settings.LLM_GPU_WAKE_TIMEOUT_S
    asked_for: int | None = None
    try:
        while time.monotonic() < ends and not stop.asked:
            state = await wake.current(served.backend)
            if state.state == wake.READY and state.wake_id is not None:
                if await in_thread(budget.extend, state.wake_id, asker_class, grant.person):
                    wake.touch_soon(served.backend)
                    return
                wake.forget(served.backend)
            elif asked_for is not None and state.wake_id == asked_for and state.failure:
                # Also while it is still being put to sleep: a provider that does not answer can keep it there for long.
                raise Unavailable("wake failed")
            elif state.state in wake.OVER:
                asked_for = await _ask(served, asker_class, grant)
            with suppress(TimeoutError):
                async with stop.waiting(asyncio.get_running_loop().time() + LOOK_S):
                    await asyncio.Event().wait()
    except (BudgetSpent, WakeRefused, Unavailable):
        raise
    except Exception as error:
        # Whatever the database raises while it is away: no second of the card is used that nobody counts.
        raise Unavailable("not woken") from error
    if not stop.asked:
        raise Unavailable("not awake in time")


async def _ask(served: Served, asker_class: AskerClass, grant: Grant) -> int | None:
    """Ask for a wake and return its id; None while it is being put to sleep, after which it can be woken again."""
    try:
        made = await in_thread(
            wake.request,
            served.backend,
            asker_class=asker_class,
            subject=grant.person,
            reserve=budget.reserve,
        )
    except WakeRefused as refused:
        if refused.reason in ("sleeping", "asleep_again"):
            return None
        raise
    return made.pk
