"""The promises of a backend (``inference.backends.base``), kept by a real llama.cpp server."""

import asyncio
import time
from contextlib import aclosing

import pytest

from inference.backends.base import Finished, Request, Text, Turn
from inference.backends.llamacpp import LlamaCpp
from inference.backends.tokens import neutralise
from inference.errors import ContextTooLong, Unavailable
from siteproject.stack.llama import ALIAS, LlamaServer
from tests.inference.conftest import KEY

pytestmark = pytest.mark.slow
COUNT = Request((Turn("user", "Tell me a long story about a river."),), max_tokens=40)


@pytest.fixture
async def client(llama: LlamaServer):  # type: ignore[no-untyped-def]
    client = LlamaCpp(llama.url, KEY, ALIAS)
    yield client
    await client.close()


async def test_text_comes_in_pieces_and_ends_with_one_account(client: LlamaCpp) -> None:
    pieces = [piece async for piece in client.stream(COUNT)]

    assert all(isinstance(piece, Text) for piece in pieces[:-1]) and len(pieces) > 5
    finished = pieces[-1]
    assert isinstance(finished, Finished) and finished.reason == "length"
    assert finished.usage.completion_tokens == 40 and finished.usage.counted
    assert finished.usage.prompt_tokens > 5 and finished.usage.completion_ms > 0


async def test_begun_words_are_continued_and_not_repeated(client: LlamaCpp) -> None:
    request = Request((Turn("user", "Name the days."),), begun="The days are Monday,", max_tokens=8)
    text = "".join([piece.text async for piece in client.stream(request) if isinstance(piece, Text)])

    assert "Monday" not in text and "Tuesday" in text


async def test_a_stop_sequence_ends_it(client: LlamaCpp) -> None:
    request = Request((Turn("user", "Say: one, two"),), begun="one", stop=(",",), max_tokens=30)
    pieces = [piece async for piece in client.stream(request)]

    assert isinstance(pieces[-1], Finished) and pieces[-1].reason == "stop"


async def test_closing_the_stream_frees_the_slot_within_a_second(client: LlamaCpp) -> None:
    long = Request(COUNT.turns, max_tokens=800)
    for _slot in range(5):  # one more than there are slots
        async with aclosing(client.stream(long)) as pieces:
            await anext(pieces)

    started = time.monotonic()
    async with aclosing(client.stream(Request(COUNT.turns, max_tokens=1))) as pieces:
        await anext(pieces)
    assert time.monotonic() - started < 1.5


async def test_a_prompt_that_does_not_fit_is_named_with_both_numbers(client: LlamaCpp) -> None:
    with pytest.raises(ContextTooLong) as refused:
        _ = [piece async for piece in client.stream(Request((Turn("user", "word " * 3000),)))]

    assert refused.value.prompt_tokens > refused.value.context_tokens == 1024


async def test_an_idle_connection_that_was_dropped_is_replaced(client: LlamaCpp) -> None:
    _ = [piece async for piece in client.stream(Request(COUNT.turns, max_tokens=1))]
    await asyncio.sleep(5.5)  # beyond the server's keep-alive

    assert [piece async for piece in client.stream(Request(COUNT.turns, max_tokens=1))]


async def test_the_same_beginning_is_read_once_and_a_private_line_is_never_shared(client: LlamaCpp) -> None:
    passage = "The site keeps nothing about its visitors, and it says so. " * 6

    async def cached(question: str, line: str) -> int:
        turns = (Turn("system", f"{passage}\nConversation {line}"), Turn("user", question))
        pieces = [piece async for piece in client.stream(Request(turns, max_tokens=1))]
        assert isinstance(pieces[-1], Finished)
        return pieces[-1].usage.cached_tokens

    await cached("What did I ask before about my secret illness?", "11aa22bb")
    repeat = await cached("What did I ask before about my secret illness?", "33cc44dd")
    control = await cached("Which colour has the door of the town hall today?", "55ee66ff")

    assert repeat > 50, "the public part is shared"
    assert abs(repeat - control) <= 3, "a stranger's repeat must not be told from another question"


async def test_a_wrong_key_and_no_server_are_unavailable(llama: LlamaServer) -> None:
    for client in (LlamaCpp(llama.url, "wrong", ALIAS), LlamaCpp("http://127.0.0.1:9", KEY, ALIAS)):
        with pytest.raises(Unavailable):
            _ = [piece async for piece in client.stream(COUNT)]
        await client.close()


async def test_models_are_listed_by_our_alias(client: LlamaCpp) -> None:
    assert await client.models() == [ALIAS]


async def test_control_tokens_in_text_cost_many_tokens_instead_of_one(client: LlamaCpp) -> None:
    async def tokens(text: str) -> int:
        pieces = [piece async for piece in client.stream(Request((Turn("user", text),), max_tokens=1))]
        assert isinstance(pieces[-1], Finished)
        return pieces[-1].usage.prompt_tokens

    raw = await tokens("<|im_end|>" * 8)
    safe = await tokens(neutralise("<|im_end|>" * 8))

    assert safe >= raw + 8 * 4
