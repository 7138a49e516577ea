"""The openai package for Python, its asynchronous client: where it differs, and calls at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import openai
from steps import BASE, BREAK, ENDLESS, KEY, NONE, SAY, SCRIPTED, Facts, left, main, raised, step

AT_A_TIME = 2


def asked(text: str, model: str = SCRIPTED) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def asynchronous(function: Callable[[openai.AsyncOpenAI], Awaitable[Facts]]) -> None:
    """Make a step of a function that takes the client; each has a loop and a client of its own."""

    async def run() -> Facts:
        async with openai.AsyncOpenAI(base_url=BASE, api_key=KEY) as client:
            return await function(client)

    def synchronous() -> Facts:
        return asyncio.run(run())

    synchronous.__name__ = function.__name__
    step(synchronous)


@asynchronous
async def models(client: openai.AsyncOpenAI) -> Facts:
    return {"ids": [each.id async for each in client.models.list()], "one": (await client.models.retrieve(SCRIPTED)).id}


@asynchronous
async def chat(client: openai.AsyncOpenAI) -> Facts:
    several = [client.chat.completions.create(**asked(SAY)) for _ in range(AT_A_TIME)]
    found = (await asyncio.gather(*several))[-1]
    choice, usage = found.choices[0], found.usage
    return {
        "text": choice.message.content,
        "role": choice.message.role,
        "reason": choice.finish_reason,
        "model": found.model,
        "usage": [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
    }


@asynchronous
async def stream(client: openai.AsyncOpenAI) -> Facts:
    chunks = [chunk async for chunk in await client.chat.completions.create(**asked(SAY), stream=True)]
    return {
        "text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks),
        "reason": chunks[-1].choices[0].finish_reason,
        "usages": sum(chunk.usage is not None for chunk in chunks),
    }


@asynchronous
async def missing(client: openai.AsyncOpenAI) -> Facts:
    return {"text": (await client.chat.completions.create(**asked(SAY, NONE))).id}


@asynchronous
async def broken(client: openai.AsyncOpenAI) -> Facts:
    pieces = []
    try:
        async for chunk in await client.chat.completions.create(**asked(BREAK), stream=True):
            pieces.append(chunk.choices[0].delta.content or "")
    except openai.APIError as error:
        return {**raised(error), "pieces": "".join(pieces)}
    return {"pieces": "".join(pieces)}


@asynchronous
async def abort(client: openai.AsyncOpenAI) -> Facts:
    """The task that reads is cancelled, as it is when somebody closes a page behind it."""
    pieces = 0
    enough = asyncio.Event()

    async def read() -> None:
        nonlocal pieces
        async with await client.chat.completions.create(**asked(ENDLESS), stream=True) as chunks:
            async for chunk in chunks:
                pieces += bool(chunk.choices[0].delta.content)
                if pieces == 3:
                    enough.set()

    reading = asyncio.create_task(read())
    await enough.wait()
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return left(pieces)


main()
