"""Ask each backend which models it lists, and write down what it said.

A backend that sleeps is not asked: with some providers any request wakes it, and with all it would keep it awake. Its
state is that of its wake.
"""

import asyncio

from django.utils import timezone

from inference import wake
from inference.engine import Engine
from inference.errors import BackendError
from inference.models import Backend, Wake
from inference.registry import Served, declared


async def state_of(served: Served, engine: Engine) -> str:
    """Return ready when the backend lists its model, loading when it answers without it, else down."""
    try:
        listed = await engine.client(served).models()
    except BackendError:
        return Backend.State.DOWN
    return Backend.State.READY if served.upstream_model in listed else Backend.State.LOADING


async def states() -> dict[str, str]:
    """Return the state of every declared backend that may be asked, by name."""
    engine = Engine()
    try:
        return {served.backend: await state_of(served, engine) for served in declared() if not served.sleeps}
    finally:
        await engine.close()


def state_of_sleeper(backend: str) -> str:
    """Return the state of a backend that sleeps: *down* only while it is not woken again after failed wakes."""
    state = wake.status(backend).state
    if state == wake.READY:
        return Backend.State.READY
    if state in (Wake.State.REQUESTED, Wake.State.WAKING):
        return Backend.State.LOADING
    until = wake.cooling_until(backend)
    return Backend.State.DOWN if until is not None and until > timezone.now() else Backend.State.ASLEEP


def probe() -> None:
    """Probe all and store state and time."""
    sleepers = {served.backend: state_of_sleeper(served.backend) for served in declared() if served.sleeps}
    for name, state in {**asyncio.run(states()), **sleepers}.items():
        Backend.objects.filter(name=name).update(state=state, checked_at=timezone.now())
