"""What llama.cpp, vLLM and Ollama have in common: OpenAI's HTTP stream, translated into our words and our errors.

A runtime is a subclass that says what it adds to the body and what its refusals mean. Handled here for all of them:
idle connections are dropped after 5 s, so pooled ones expire before; a reused connection may still fail once before any
byte, which is safe to try again; the first delta may have ``content: null``; ``usage`` comes in a last chunk without
choices, or not at all; fields we do not know (``reasoning``) are passed over.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec
from django.conf import settings

from inference.backends.base import Finished, Piece, Request, Text, Usage
from inference.errors import BackendError, ContextTooLong, Cut, Garbled, Refused, TimedOut, Unavailable

KEEP_ALIVE_S = 4.0  # below the server's own 5 s
CONNECT_S = 2.0
MAX_LINE_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 2 * 1024 * 1024
MAX_DELTAS = 32  # in one piece, so that a server which has lost count of the cap is noticed soon
T = TypeVar("T")
NOT_NOW = frozenset({401, 403, 404, 408, 409, 425, 429})
AT_FAULT = frozenset({400, 413, 422})


class OpenAICompatible:
    """A client of one server. Lives as long as its event loop."""

    def __init__(self, url: str, key: str, model: str) -> None:
        self._url = url
        self._model = model
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session: aiohttp.ClientSession | None = None

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
            # No proxy variables: a prompt goes to the address in the settings and nowhere else.
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                read_bufsize=2 * MAX_LINE_BYTES,
            )
        return self._session

    async def stream(self, request: Request) -> AsyncGenerator[Piece, None]:
        """Complete ``request``; see the promises in ``inference.backends.base``."""
        body = self._body(request)
        response = await self._open(body)
        try:
            if response.status != 200:
                raise self._refusal(response.status, await _beginning(response))
            if not response.content_type.startswith("text/event-stream"):
                raise Garbled("not an event stream")
            async for piece in _pieces(response):
                yield piece
        except aiohttp.ClientError as error:
            raise Cut("connection lost") from error
        finally:
            # close(), not release(): an unread stream would keep the slot busy until the server noticed.
            response.close()

    async def _open(self, body: bytes) -> aiohttp.ClientResponse:
        """Send the request and return its response once headers arrive, trying a dropped connection once more."""
        for attempt in (1, 2):
            try:
                async with asyncio.timeout(settings.LLM_FIRST_TOKEN_S):
                    return await self._connections().post(
                        f"{self._url}/v1/chat/completions",
                        data=body,
                        headers={"Content-Type": "application/json"},
                        allow_redirects=False,
                    )
            except TimeoutError as error:
                raise TimedOut("first_token") from error
            except aiohttp.ClientConnectorError as error:
                raise Unavailable("no connection") from error
            except (aiohttp.ClientError, OSError) as error:
                # Dropped or reset on reuse. No byte of an answer arrived, so asking again cannot answer twice.
                if attempt == 2:
                    raise Unavailable("connection dropped") from error
        raise AssertionError("unreachable")

    def _body(self, request: Request) -> bytes:
        messages = [{"role": turn.role, "content": turn.text} for turn in request.turns]
        if request.begun:
            # A last turn of the assistant is continued, not answered.
            messages.append({"role": "assistant", "content": request.begun})
        return msgspec.json.encode(
            {
                "model": self._model,
                "messages": messages,
                "stream": True,
                "stream_options": {"include_usage": True},
                "max_tokens": request.max_tokens,
                "temperature": request.temperature,
                "stop": list(request.stop),
                **_format(request.schema),
                **self._extras(request),
                **request.sampling,
            }
        )

    async def count(self, request: Request) -> int | None:
        """Return None: not every runtime has a tokeniser to ask."""
        return None

    async def _asked(self, path: str, body: object, answer: "msgspec.json.Decoder[T]") -> T:
        """Return what a short question of ours is answered, decoded. Raises BackendError."""
        try:
            async with asyncio.timeout(CONNECT_S * 2):
                async with self._connections().post(
                    f"{self._url}{path}",
                    data=msgspec.json.encode(body),
                    headers={"Content-Type": "application/json"},
                    allow_redirects=False,
                ) as response:
                    if response.status != 200:
                        raise Unavailable(f"status {response.status}")
                    return answer.decode(await _whole(response, MAX_ANSWER_BYTES))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable("no connection") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Garbled("unexpected answer") from error

    def _extras(self, request: Request) -> dict[str, Any]:
        """Return what this runtime's body has beside OpenAI's own fields."""
        return {}

    def _too_long(self, problem: "Problem") -> ContextTooLong | None:
        """Return what a refusal of a prompt that does not fit means, None when it says something else."""
        return None

    def _refusal(self, status: int, body: bytes) -> BackendError:
        """Return what a status other than 200 means. The body is read for its numbers only, never shown."""
        too_long = self._too_long(_problem(body)) if status == 400 else None
        if too_long is not None:
            return too_long
        if status in NOT_NOW or status >= 500:
            return Unavailable(f"status {status}")
        return Refused(f"status {status}") if status in AT_FAULT else Garbled(f"status {status}")

    def _is_ours(self, name: str) -> bool:
        """Whether the server lists our model under this name."""
        return name == self._model

    async def models(self) -> list[str]:
        """Return the names in ``/v1/models``, our model's as we know it."""
        try:
            async with asyncio.timeout(CONNECT_S * 2):
                async with self._connections().get(f"{self._url}/v1/models", allow_redirects=False) as response:
                    if response.status != 200:
                        raise Unavailable(f"status {response.status}")
                    listed = _models.decode(await _whole(response))
                    return [self._model if self._is_ours(entry.id) else entry.id for entry in listed.data]
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable("no connection") from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Garbled("unexpected list of models") from error

    async def close(self) -> None:
        """Close pooled connections."""
        if self._session is not None:
            await self._session.close()


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int = 0


class _Counts(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Timings(msgspec.Struct):
    prompt_ms: float = 0.0
    predicted_ms: float = 0.0


class _Chunk(msgspec.Struct):
    """What we read of one event; a part of another type than the runtime promises is Garbled, not a fault of ours."""

    choices: list[_Choice] = []
    usage: _Counts | None = None
    timings: _Timings | None = None
    error: Any = None


class Problem(msgspec.Struct):
    """What a refusal says: llama.cpp in numbers, vLLM in a sentence, with its code as a number or a string."""

    message: str = ""
    type: str | None = None
    n_prompt_tokens: int = 0
    n_ctx: int = 0


class _Refusal(msgspec.Struct):
    error: Problem


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


_chunk = msgspec.json.Decoder(_Chunk)
_refusal = msgspec.json.Decoder(_Refusal)
_flat_refusal = msgspec.json.Decoder(Problem)
_models = msgspec.json.Decoder(_Models)


def _problem(body: bytes) -> Problem:
    """Return what a body says is wrong: ``{"error": {...}}``, or the same without its shell; else nothing."""
    for decoder in (_refusal, _flat_refusal):
        try:
            found = decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        return found.error if isinstance(found, _Refusal) else found
    return Problem()


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """Return the first bytes of a refusal; one that never comes changes nothing about its status."""
    try:
        async with asyncio.timeout(CONNECT_S):
            return await response.content.read(MAX_LINE_BYTES)
    except TimeoutError:
        return b""


async def _whole(response: aiohttp.ClientResponse, limit: int = MAX_LINE_BYTES) -> bytes:
    """Return a body of bounded size."""
    found = b""
    while block := await response.content.readany():
        found += block
        if len(found) > limit:
            raise Garbled("answer too long")
    return found


def _format(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return OpenAI's field for an answer in JSON."""
    if schema is None:
        return {}
    if not schema:
        return {"response_format": {"type": "json_object"}}
    named = {"name": "answer", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


async def _pieces(response: aiohttp.ClientResponse) -> AsyncGenerator[Piece, None]:
    """Yield the pieces of an event stream; raise Cut when it ends without a finish reason.

    The deltas that came in one block are one piece: whoever is behind anyway need not be handed them one by one.
    """
    reason: str | None = None
    usage: Usage | None = None
    delivered = 0
    ended = False
    async for lines in _blocks(response):
        words: list[str] = []
        problem: BackendError | None = None
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                ended = True
                break
            try:
                chunk = _decoded(data)
            except Garbled as error:
                problem = error
                break
            if chunk.error is not None:
                problem = Cut("error event")
                break
            if chunk.usage is not None:
                usage = _usage(chunk.usage, chunk.timings or _Timings())
            for choice in chunk.choices:
                if choice.delta is not None and choice.delta.content:
                    words.append(choice.delta.content)
                reason = choice.finish_reason or reason
            if len(words) >= MAX_DELTAS:
                delivered += len(words)
                yield Text("".join(words), len(words))
                words = []
        if words:
            delivered += len(words)
            yield Text("".join(words), len(words))
        if problem is not None:
            raise problem
        if ended:
            break
    if reason not in ("stop", "length"):
        raise Cut("no finish reason")
    # Missing usage is counted by deltas (llama.cpp sends one token each) and marked, never booked as nothing.
    yield Finished("length" if reason == "length" else "stop", usage or Usage(0, 0, delivered, counted=False))


async def _blocks(response: aiohttp.ClientResponse) -> AsyncGenerator[list[bytes], None]:
    """Yield the lines of each block as it arrives, with waits and lengths bounded."""
    first = True
    buffer = b""
    while True:
        try:
            async with asyncio.timeout(settings.LLM_FIRST_TOKEN_S if first else settings.LLM_IDLE_S):
                block = await response.content.readany()
        except TimeoutError as error:
            raise TimedOut("first_token" if first else "idle") from error
        if not block:
            return
        first = False
        *lines, buffer = (buffer + block).split(b"\n")
        too_long = len(buffer) > MAX_LINE_BYTES
        for number, line in enumerate(lines):
            if len(line) > MAX_LINE_BYTES:
                lines, too_long = lines[:number], True
                break
        yield lines
        if too_long:
            raise Garbled("line too long")


def _decoded(data: bytes) -> _Chunk:
    try:
        return _chunk.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Garbled("not a chunk") from error


def _usage(counts: _Counts, timings: _Timings) -> Usage:
    return Usage(
        prompt_tokens=counts.prompt_tokens,
        cached_tokens=counts.prompt_tokens_details.cached_tokens if counts.prompt_tokens_details else 0,
        completion_tokens=counts.completion_tokens,
        prompt_ms=timings.prompt_ms,
        completion_ms=timings.predicted_ms,
    )
