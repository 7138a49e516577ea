"""The promises of a backend for embeddings (``inference.backends.embeddings``): kept by a real llama.cpp server, and
before one that answers as vLLM does."""

import asyncio
import base64
import struct
import time
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import web

from inference.backends.embeddings import (
    Embedded,
    Embeddings,
    LlamaCppEmbeddings,
    VLlmEmbeddings,
    floats,
    without_accents,
)
from inference.errors import Garbled, TimedOut, Unavailable
from siteproject.stack.embeddings import ALIAS, EmbeddingServer
from siteproject.stack.folder import Folder

KEY = "a-key-for-tests-only-0123456789abcdef"
LONG = "The mayor opened the new library in the old mill by the river. " * 60
CONTEXT = 32
SECRET_BODY = "raw-upstream-body-7f3a"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddingServer]:
    folder = Folder(tmp_path_factory.mktemp("embeddings"))
    folder.make()
    with EmbeddingServer(folder, key=KEY).running() as server:
        yield server


class Scripted:
    """A server on loopback that answers as ``behaviour`` says: like vLLM with bge-m3, unless a test wants otherwise.

    It has three numbers in a vector, and a token for each word.
    """

    def __init__(self) -> None:
        self.behaviour: Behaviour = as_vllm
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.left = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(await request.json())
        self.keys.add(request.headers["Authorization"])
        try:
            return await self.behaviour(request, self.asked[-1])
        except asyncio.CancelledError:
            self.left.set()
            raise


Behaviour = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


@pytest.fixture
async def server() -> AsyncIterator[Scripted]:
    scripted = Scripted()
    application = web.Application()
    application.router.add_post("/{path:.*}", scripted.handle)
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield scripted
    await runner.cleanup()


@pytest.fixture
async def llamacpp(real: EmbeddingServer) -> AsyncIterator[Embeddings]:
    client = LlamaCppEmbeddings(real.url, KEY, ALIAS, context_tokens=256, dimensions=384)
    yield client
    await client.close()


@pytest.fixture
async def vllm(server: Scripted) -> AsyncIterator[Embeddings]:
    client = VLlmEmbeddings(server.url, KEY, "bge-m3", context_tokens=CONTEXT, dimensions=3)
    yield client
    await client.close()


@pytest.fixture(params=["llamacpp", "vllm"])
def client(request: pytest.FixtureRequest) -> Embeddings:
    """A client of each runtime in turn."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def tokens_of(text: str) -> list[int]:
    return [0, *(sum(word.encode()) + 3 for word in text.split()), 2]


async def as_vllm(request: web.Request, body: dict[str, Any]) -> web.Response:
    if request.path == "/tokenize":
        tokens = tokens_of(body["prompt"])
        return web.json_response({"count": len(tokens), "max_model_len": CONTEXT, "tokens": tokens})
    inputs = [each if isinstance(each, list) else tokens_of(each) for each in body["input"]]
    if any(len(each) > CONTEXT for each in inputs):
        return web.json_response({"object": "error", "message": SECRET_BODY, "code": 400}, status=400)
    entries = [entry(place, each) for place, each in enumerate(inputs)]
    count = sum(len(each) for each in inputs)
    return web.json_response({"data": entries[::-1], "usage": {"prompt_tokens": count, "total_tokens": count}})


def entry(index: int, tokens: list[int]) -> dict[str, Any]:
    vector = struct.pack("<3f", sum(tokens), len(tokens), 0.5)
    return {"object": "embedding", "index": index, "embedding": base64.b64encode(vector).decode()}


def saying(answer: object, status: int = 200) -> Behaviour:
    async def behave(_request: web.Request, _body: dict[str, Any]) -> web.Response:
        return web.json_response(answer, status=status)

    return behave


async def never(_request: web.Request, _body: dict[str, Any]) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def endless(request: web.Request, _body: dict[str, Any]) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * 1_000_000)


# --- for all of them ---


async def test_each_text_has_one_vector_in_its_place(client: Embeddings) -> None:
    texts = ["a cat", "taxes", "the town hall", "a cat"]
    together = await client.embed(texts)
    alone = [await client.embed([text]) for text in texts]

    assert len({len(vector) for vector in together.vectors}) == 1
    for vector, other in zip(together.vectors, alone, strict=True):
        assert cosine(vector, other.vectors[0]) > 0.99999
    assert together.vectors[0] == together.vectors[3] != together.vectors[1]
    assert together.tokens == sum(one.tokens for one in alone) and together.cut == []


async def test_a_long_text_is_cut_and_named_and_the_others_are_not(client: Embeddings) -> None:
    context = client._context_tokens
    found = await client.embed(["a cat", LONG, "taxes", LONG])
    alone = await client.embed(["a cat", "taxes"])

    assert found.cut == [1, 3]
    assert found.tokens == alone.tokens + 2 * context
    assert cosine(found.vectors[0], alone.vectors[0]) > 0.99999
    assert found.vectors[1] == found.vectors[3]


async def test_a_wrong_key_and_no_server_are_unavailable(real: EmbeddingServer, server: Scripted) -> None:
    server.behaviour = saying({"error": "Unauthorized"}, 401)
    clients: list[Embeddings] = [
        LlamaCppEmbeddings(real.url, "wrong", ALIAS, context_tokens=256, dimensions=384),
        VLlmEmbeddings(server.url, "wrong", ALIAS, context_tokens=256, dimensions=3),
        LlamaCppEmbeddings("http://127.0.0.1:9", KEY, ALIAS, context_tokens=256, dimensions=384),
        VLlmEmbeddings("http://127.0.0.1:9", KEY, ALIAS, context_tokens=256, dimensions=3),
    ]
    for client in clients:
        with pytest.raises(Unavailable):
            await client.embed(["a cat"])
        await client.close()


# --- llama.cpp with the model of the default stack ---


async def test_near_meanings_have_near_vectors(llamacpp: Embeddings) -> None:
    pairs = [
        ("How do I delete my account?", "Steps to close a profile", "The recipe needs two eggs"),
        ("The train to Lyon is late", "Rail service delayed", "A poem about the sea"),
        ("The little dog barks", "A puppy is barking", "Interest rates rose in March"),
    ]
    for text, near, far in pairs:
        first, second, third = (await llamacpp.embed([text, near, far])).vectors
        assert cosine(first, second) > 0.35 > 0.2 > cosine(first, third)
        assert abs(cosine(first, first) - 1) < 1e-5
        assert abs(sum(number**2 for number in floats(first)) - 1) < 1e-4


async def test_spellings_of_one_text_are_one_text(llamacpp: Embeddings) -> None:
    korean = "한국어 문장"
    accents, plain, composed, decomposed = (
        await llamacpp.embed(["Où est l'école ?", "ou est l'ecole ?", korean, unicodedata.normalize("NFD", korean)])
    ).vectors

    assert accents == plain
    assert composed == decomposed


def test_accents_are_taken_off_and_nothing_else() -> None:
    for text in ("Où est l'école ?", "tiếng Việt", "בְּרֵאשִׁית", "नमस्ते", "ÅÇ\tñ\r\n\u200b", "한국어", "plain"):
        decomposed = unicodedata.normalize("NFD", text)
        assert without_accents(text) == "".join(char for char in decomposed if unicodedata.category(char) != "Mn")


@pytest.mark.parametrize("marks", ["\u0301\u0327", "\U0001d165\U0001d16d"])
def test_marks_without_end_hold_nobody_up(marks: str) -> None:
    started = time.thread_time()
    found = without_accents("a" + marks[0] * 32_000 + marks[1] * 32_000)

    assert time.thread_time() - started < 0.3
    assert found.startswith("a") and len(found) <= 31


async def test_a_text_cannot_speak_the_models_own_tokens(llamacpp: Embeddings) -> None:
    control, empty = [(await llamacpp.embed([text])).tokens for text in ("[SEP] [CLS] [MASK]", " ")]

    assert (control, empty) == (2 + 10, 2)


async def test_the_cut_is_where_the_original_model_cuts(llamacpp: Embeddings) -> None:
    whole = await llamacpp.embed(["cat " * 10_000, "cat " * 254, "cat " * 253])

    assert whole.cut == [0] and whole.tokens == 256 + 256 + 255
    assert whole.vectors[0] == whole.vectors[1] != whole.vectors[2]


# --- vLLM, and what any server may send ---


async def test_vllm_is_asked_in_its_words_and_only_long_texts_are_tokenised(vllm: Embeddings, server: Scripted) -> None:
    found = await vllm.embed(["a cat", "taxes"])

    assert server.asked == [{"model": "bge-m3", "input": ["a cat", "taxes"], "encoding_format": "base64"}]
    assert server.keys == {f"Bearer {KEY}"}
    assert found == Embedded([vector_of("a cat"), vector_of("taxes")], 4 + 3, [])


GOOD = entry(0, [1])
COUNT = {"prompt_tokens": 1, "total_tokens": 1}


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        ({"data": [], "usage": COUNT}, 200, Garbled),
        ({"data": [GOOD, entry(1, [1])], "usage": COUNT}, 200, Garbled),
        ({"data": [entry(1, [1])], "usage": COUNT}, 200, Garbled),
        ({"data": [GOOD | {"embedding": "AAAA"}], "usage": COUNT}, 200, Garbled),
        ({"data": [GOOD | {"embedding": SECRET_BODY}], "usage": COUNT}, 200, Garbled),
        ({"data": [GOOD | {"embedding": "AADAfwAAAAAAAAAA"}], "usage": COUNT}, 200, Garbled),  # not a number
        ({"data": [GOOD | {"embedding": [0.5, 0.5, 0.5]}], "usage": COUNT}, 200, Garbled),
        ({"data": [GOOD]}, 200, Garbled),
        ([SECRET_BODY], 200, Garbled),
        ({"message": SECRET_BODY}, 400, Garbled),
        ({"message": SECRET_BODY}, 500, Unavailable),
        ({"message": SECRET_BODY}, 429, Unavailable),
        ({}, 307, Garbled),
    ],
)
async def test_what_is_no_vector_is_an_error_of_ours_without_its_words(
    vllm: Embeddings, server: Scripted, answer: object, status: str, error: type[Exception]
) -> None:
    server.behaviour = saying(answer, status)

    with pytest.raises(error) as refused:
        await vllm.embed(["one"])
    assert SECRET_BODY not in f"{refused.value!r} {refused.value.__cause__!r}"


async def test_what_never_ends_is_given_up(vllm: Embeddings, server: Scripted, settings: Any) -> None:
    server.behaviour = endless
    with pytest.raises(Garbled, match="too long"):
        await vllm.embed(["one"])

    settings.LLM_TOTAL_S = 0.3
    server.behaviour = never
    with pytest.raises(TimedOut):
        await vllm.embed(["one"])


async def test_giving_up_closes_the_connection_and_a_dropped_one_is_replaced(
    vllm: Embeddings, server: Scripted
) -> None:
    async def dropping(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        server.behaviour = as_vllm
        assert request.transport is not None
        request.transport.abort()
        return await as_vllm(request, body)

    server.behaviour = never
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await vllm.embed(["one"])
    async with asyncio.timeout(2):
        await server.left.wait()

    server.behaviour = dropping
    assert (await vllm.embed(["one"])).tokens == 3
    assert len(server.asked) == 3


def vector_of(text: str) -> bytes:
    return base64.b64decode(entry(0, tokens_of(text))["embedding"])


def cosine(one: bytes, other: bytes) -> float:
    first, second = floats(one), floats(other)
    product = sum(a * b for a, b in zip(first, second, strict=True))
    return float(product / (sum(a * a for a in first) * sum(b * b for b in second)) ** 0.5)
