"""What the scripted model server does is in the question: so one program takes many steps and needs no other word."""

import asyncio

from tests.scripted import Behaviour, ScriptedServer, Wire, answer, closing_after, never

LATE_S = 3.0
PACE_S = 0.05
# What keeps a place taken for as long as a program may take: slow enough for the cap, fast enough for every patience.
HOLD, HOLD_S = "hold", 2.0


def by_question(server: ScriptedServer) -> Behaviour:
    """Return the behaviour that looks for the words of ``programs/steps.py`` in what it is asked."""

    async def behave(wire: Wire) -> None:
        asked = server.last.prompt
        if "late" in asked:
            await late(wire)
        elif "never" in asked:
            await never(wire)
        elif "break off" in asked:
            await closing_after(2)(wire)
        elif "for ever" in asked:
            await for_ever(PACE_S)(wire)
        elif HOLD in asked:
            await for_ever(HOLD_S)(wire)
        else:
            await answer(wire)

    return behave


async def late(wire: Wire) -> None:
    """Answer well, but not soon."""
    await asyncio.sleep(LATE_S)
    await answer(wire)


def for_ever(pace_s: float) -> Behaviour:
    """Say a word at a time until nobody listens."""

    async def behave(wire: Wire) -> None:
        await wire.head()
        while True:
            await wire.say("on ")
            await asyncio.sleep(pace_s)

    return behave
