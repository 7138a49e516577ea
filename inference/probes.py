"""Ask each backend which models it lists, and write down what it said. Asking wakes nothing."""

import asyncio

from django.utils import timezone

from inference.engine import Engine
from inference.errors import BackendError
from inference.models import Backend
from inference.registry import Served, declared


async def state_of(served: Served, engine: Engine) -> str:
    """Return ready when the backend lists its model, loading when it answers without it, else down."""
    try:
        listed = await engine.client(served).models()
    except BackendError:
        return Backend.State.DOWN
    return Backend.State.READY if served.upstream_model in listed else Backend.State.LOADING


async def states() -> dict[str, str]:
    """Return the state of every declared backend by name."""
    engine = Engine()
    try:
        return {served.backend: await state_of(served, engine) for served in declared()}
    finally:
        await engine.close()


def probe() -> None:
    """Probe all and store state and time."""
    for name, state in asyncio.run(states()).items():
        Backend.objects.filter(name=name).update(state=state, checked_at=timezone.now())
