"""The promises of a backend (``inference.backends.base``), kept by every runtime before a server that shows the quirks
of each. llama.cpp keeps them for real in ``test_llamacpp``."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from inference.backends.base import Finished, Request, Text, Turn
from inference.backends.llamacpp import LlamaCpp
from inference.backends.ollama import Ollama
from inference.backends.openai import OpenAICompatible
from inference.backends.vllm import VLlm
from inference.engine import RUNTIMES
from inference.errors import ContextTooLong, Cut, Garbled, Refused, Unavailable
from tests.scripted import SECRET_BODY, WORDS, Behaviour, ScriptedServer, Wire, answer, never, slowly, without_finish

QUESTION = Request((Turn("system", "Be brief."), Turn("user", "Which licence?")), max_tokens=20)
KEY = "a-key-for-tests-only-0123456789abcdef"


@pytest.fixture(scope="module")
def shared() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def server(shared: ScriptedServer) -> ScriptedServer:
    shared.reset()
    return shared


@pytest.fixture(params=sorted(RUNTIMES))
async def client(request: pytest.FixtureRequest, server: ScriptedServer) -> AsyncIterator[OpenAICompatible]:
    """A client of each runtime in turn."""
    client = RUNTIMES[request.param](server.url, KEY, "wagmi-large")
    yield client
    await client.close()


async def pieces_of(client: OpenAICompatible, request: Request = QUESTION) -> list[Text | Finished]:
    return [piece async for piece in client.stream(request)]


def refusing(status: str, body: object) -> Behaviour:
    """Answer with a status and a body of JSON."""

    async def behave(wire: Wire) -> None:
        await wire.head(status, "application/json")
        await wire.chunk(json.dumps(body).encode())
        await wire.end()

    return behave


def saying(*events: dict[str, Any], done: bool = True) -> Behaviour:
    """Send exactly these events."""

    async def behave(wire: Wire) -> None:
        await wire.head()
        for event in events:
            await wire.event(event)
        if done:
            await wire.chunk(b"data: [DONE]\n\n")
        await wire.end()

    return behave


def delta(finish_reason: str | None = None, **fields: object) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish_reason}]}


# --- for all of them ---


async def test_text_comes_in_order_and_ends_with_one_account(client: OpenAICompatible, server: ScriptedServer) -> None:
    server.behaviour = answer
    pieces = await pieces_of(client)

    texts = [piece for piece in pieces[:-1] if isinstance(piece, Text)]
    assert "".join(text.text for text in texts) == "".join(WORDS)
    assert sum(text.deltas for text in texts) == len(WORDS)
    finished = pieces[-1]
    assert isinstance(finished, Finished) and finished.reason == "stop"
    assert finished.usage.counted and finished.usage.completion_tokens == len(WORDS)
    assert server.last.key == f"Bearer {KEY}"
    assert server.last.body["stream_options"] == {"include_usage": True}
    assert server.last.body["model"] == "wagmi-large" and server.last.body["max_tokens"] == 20


async def test_a_stream_that_does_not_say_why_it_ends_is_cut(client: OpenAICompatible, server: ScriptedServer) -> None:
    server.behaviour = without_finish

    with pytest.raises(Cut):
        await pieces_of(client)


@pytest.mark.parametrize("reason", ["abort", "tool_calls", "content_filter", "error"])
async def test_an_end_that_is_no_answers_end_is_cut(
    client: OpenAICompatible, server: ScriptedServer, reason: str
) -> None:
    server.behaviour = saying(delta(content="so "), delta(reason))

    with pytest.raises(Cut):
        await pieces_of(client)


async def test_closing_the_stream_closes_the_connection(client: OpenAICompatible, server: ScriptedServer) -> None:
    server.behaviour = slowly(0.2)
    async with aclosing(client.stream(QUESTION)) as pieces:
        await anext(pieces)
    await asyncio.sleep(0.4)

    assert server.last.closed_at is not None


async def test_missing_usage_is_counted_here_and_marked(client: OpenAICompatible, server: ScriptedServer) -> None:
    server.behaviour = saying(delta(content="one "), delta(content="two"), delta("stop"))
    finished = (await pieces_of(client))[-1]

    assert isinstance(finished, Finished)
    assert not finished.usage.counted and finished.usage.completion_tokens == 2


async def test_reasoning_is_no_answer(client: OpenAICompatible, server: ScriptedServer) -> None:
    server.behaviour = saying(
        delta(role="assistant", content="", reasoning="Hmm, "),
        delta(reasoning_content="let me see"),
        delta(content="Two."),
        delta("stop"),
    )
    pieces = await pieces_of(client)

    assert pieces[:-1] == [Text("Two.")]


async def test_counts_that_are_null_are_no_fault(client: OpenAICompatible, server: ScriptedServer) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "prompt_tokens_details": None}
    server.behaviour = saying(delta(content="Two."), delta("length"), {"choices": [], "usage": usage})
    finished = (await pieces_of(client))[-1]

    assert isinstance(finished, Finished) and finished.reason == "length"
    assert (finished.usage.prompt_tokens, finished.usage.cached_tokens, finished.usage.prompt_ms) == (9, 0, 0.0)


@pytest.mark.parametrize(
    "error", [{"message": SECRET_BODY, "type": "InternalServerError", "code": 500}, SECRET_BODY, {"code": "500"}]
)
async def test_an_error_in_the_stream_is_cut_whatever_its_shape(
    client: OpenAICompatible, server: ScriptedServer, error: object
) -> None:
    server.behaviour = saying(delta(content="so "), {"error": error})

    with pytest.raises(Cut) as cut:
        await pieces_of(client)
    assert SECRET_BODY not in str(cut.value)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        ("401 Unauthorized", {"error": "Unauthorized"}, Unavailable),
        ("404 Not Found", {"error": {"message": SECRET_BODY, "type": "NotFoundError", "code": 404}}, Unavailable),
        ("404 Not Found", {"error": {"message": SECRET_BODY, "type": "api_error", "code": None}}, Unavailable),
        ("400 Bad Request", {"object": "error", "message": SECRET_BODY, "code": 400}, Refused),
        ("429 Too Many Requests", {}, Unavailable),
        ("503 Service Unavailable", {"error": {"code": 503, "message": SECRET_BODY}}, Unavailable),
        ("307 Temporary Redirect", {}, Garbled),
        ("400 Bad Request", [1, 2], Refused),
    ],
)
async def test_refusals_are_ours_whatever_their_shape(
    client: OpenAICompatible, server: ScriptedServer, status: str, body: object, error: type[Exception]
) -> None:
    server.behaviour = refusing(status, body)

    with pytest.raises(error) as refused:
        await pieces_of(client)
    assert SECRET_BODY not in f"{refused.value!r} {refused.value.__cause__!r}"


async def test_models_are_listed_and_ours_under_the_name_we_know(
    client: OpenAICompatible, server: ScriptedServer
) -> None:
    server.lists = ["another", "wagmi-large"]

    assert await client.models() == ["another", "wagmi-large"]


# --- what each adds ---


async def test_llamacpp_and_vllm_are_asked_in_their_own_words(server: ScriptedServer) -> None:
    begun = Request(QUESTION.turns, begun="It is", reuse_prompt=False)
    for runtime in (LlamaCpp, VLlm, Ollama):
        client = runtime(server.url, KEY, "wagmi-large")
        await pieces_of(client, begun)
        await client.close()
    llamacpp, vllm, ollama = (seen.body for seen in server.requests)

    assert llamacpp["cache_prompt"] is False and "repeat_penalty" in llamacpp
    assert vllm["continue_final_message"] is True and vllm["add_generation_prompt"] is False
    assert len(vllm["cache_salt"]) > 16 and "cache_prompt" not in vllm and "repeat_penalty" not in vllm
    assert not {"cache_prompt", "cache_salt", "continue_final_message"} & set(ollama)
    assert all(body["messages"][-1] == {"role": "assistant", "content": "It is"} for body in (llamacpp, vllm, ollama))


async def test_vllm_salts_differ_and_are_left_out_where_the_cache_may_be_shared(server: ScriptedServer) -> None:
    client = VLlm(server.url, KEY, "wagmi-large")
    for reuse in (False, False, True):
        await pieces_of(client, Request(QUESTION.turns, reuse_prompt=reuse))
    await client.close()
    first, second, shared = (seen.body.get("cache_salt") for seen in server.requests)

    assert first != second and shared is None


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        (
            "This model's maximum context length is 4096 tokens. However, you requested 5120 tokens (4920 in the"
            " messages, 200 in the completion). Please reduce the length of the messages or completion.",
            (4920, 4096),
        ),
        (
            "This model's maximum context length is 4096 tokens. However, your request has 4500 input tokens.",
            (4500, 4096),
        ),
        (
            "You passed 4097 input tokens and requested 10 output tokens. However, the model's maximum context length"
            " is 4096 tokens",
            (4097, 4096),
        ),
        ("The decoder prompt (length 5000) is longer than the maximum model length of 4096.", (5000, 4096)),
    ],
)
@pytest.mark.parametrize("flat", [True, False])
async def test_vllm_says_in_a_sentence_that_a_prompt_does_not_fit(
    server: ScriptedServer, message: str, numbers: tuple[int, int], flat: bool
) -> None:
    problem = {"message": message, "type": "BadRequestError", "param": None, "code": 400}
    server.behaviour = refusing("400 Bad Request", {"object": "error", **problem} if flat else {"error": problem})
    client = VLlm(server.url, KEY, "wagmi-large")

    with pytest.raises(ContextTooLong) as refused:
        await pieces_of(client)
    await client.close()

    assert (refused.value.prompt_tokens, refused.value.context_tokens) == numbers


@pytest.mark.parametrize(("ours", "listed"), [("qwen3", "qwen3:latest"), ("qwen3:latest", "qwen3:latest")])
async def test_ollama_lists_names_with_a_tag(server: ScriptedServer, ours: str, listed: str) -> None:
    server.lists = [listed, "qwen3:0.6b"]
    client = Ollama(server.url, "", ours)

    found = await client.models()
    await client.close()

    assert found == [ours, "qwen3:0.6b"]


async def test_a_server_that_says_nothing_is_given_up_by_every_runtime(
    client: OpenAICompatible, server: ScriptedServer, settings: Any
) -> None:
    settings.LLM_FIRST_TOKEN_S = 0.3
    server.behaviour = never

    with pytest.raises(Exception, match="first_token"):
        await pieces_of(client)
