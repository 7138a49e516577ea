"""What every backend for embeddings promises, and how llama.cpp and vLLM keep it.

1. ``embed`` gives one vector for each text, in their order: as many numbers as were declared, all of them finite,
   each a little-endian float of 32 bits.
2. Tokens are counted by the runtime's own tokeniser. A text longer than the context is cut at its end, never refused
   and never cut in silence: ``cut`` names it.
3. Anything else is an error of ``inference.errors``. No text is in an exception or a log line.
4. Giving up the wait closes the connection, which ends the work upstream with the text at hand.
5. Time and size of what the runtime sends are bounded.
"""

import array
import asyncio
import base64
import binascii
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import aiohttp
import msgspec
from django.conf import settings

from inference.backends.openai import NOT_NOW, OpenAICompatible
from inference.backends.tokens import normalised, without
from inference.errors import BackendError, Garbled, TimedOut, Unavailable

FLOAT_BYTES = 4
MAX_ANSWER_BYTES = 16 * 1024 * 1024
ACCENTS = frozenset({"Mn"})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors of some texts, the tokens of all of them together, and the places of those that were cut."""

    vectors: list[bytes]
    tokens: int
    cut: list[int]


class EmbeddingClient(Protocol):
    """The seam to one runtime."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return the vectors of ``texts``, of which there is one at least. Raises BackendError."""
        ...

    async def close(self) -> None:
        """Close pooled connections."""
        ...


def floats(vector: bytes) -> list[float]:
    """Return the numbers of a vector."""
    numbers = array.array("f", vector)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


class Embeddings(OpenAICompatible):
    """A client of one server that makes embeddings. Lives as long as its event loop."""

    def __init__(self, url: str, key: str, model: str, *, context_tokens: int, dimensions: int) -> None:
        super().__init__(url, key, model)
        self._context_tokens = context_tokens
        self._dimensions = dimensions

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return the vectors of ``texts``; see the promises above. Raises BackendError."""
        raise NotImplementedError

    async def _vectors(self, inputs: "list[str] | list[list[int]]") -> tuple[list[bytes], int]:
        """Return the vectors of texts, or of lists of tokens, and how many tokens the runtime says they have."""
        body = {"model": self._model, "input": inputs, "encoding_format": "base64"}
        found = await self._post("/v1/embeddings", body, _answer)
        entries = sorted(found.data, key=lambda entry: entry.index)
        if [entry.index for entry in entries] != list(range(len(inputs))):
            raise Garbled("not a vector for each text")
        return [self._vector(entry.embedding) for entry in entries], found.usage.prompt_tokens

    def _vector(self, text: str) -> bytes:
        try:
            vector = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Garbled("not a vector") from error
        if len(vector) != self._dimensions * FLOAT_BYTES:
            raise Garbled("a vector of another length")
        if not math.isfinite(sum(floats(vector))):
            raise Garbled("a vector that is no number")
        return vector

    async def _cut(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        """Return the tokens of each text, cut to the context with the last one kept, and the places of those cut."""
        found, cut = [], []
        for place, text in enumerate(texts):
            tokens = await self._tokens(text)
            if len(tokens) > self._context_tokens:
                cut.append(place)
                # What ends a text in this model's eyes ends the cut one, too.
                tokens = [*tokens[: self._context_tokens - 1], tokens[-1]]
            found.append(tokens)
        return found, cut

    async def _tokens(self, text: str) -> list[int]:
        """Return a text's tokens as the model reads them, its first and last one included. Raises BackendError."""
        raise NotImplementedError

    async def _post(self, path: str, body: object, answer: "msgspec.json.Decoder[T]") -> T:
        """Return what a request is answered, decoded; a connection that was dropped on reuse is tried once more."""
        data = msgspec.json.encode(body)
        for attempt in (1, 2):
            try:
                async with asyncio.timeout(settings.LLM_TOTAL_S):
                    async with self._connections().post(
                        f"{self._url}{path}",
                        data=data,
                        headers={"Content-Type": "application/json"},
                        allow_redirects=False,
                    ) as response:
                        if response.status != 200:
                            raise _not_now(response.status)
                        return answer.decode(await _whole(response))
            except TimeoutError as error:
                raise TimedOut("total") from error
            except aiohttp.ClientConnectorError as error:
                raise Unavailable("no connection") from error
            except (aiohttp.ClientError, OSError) as error:
                # Nothing of it was delivered to anybody, and the same text has the same vector.
                if attempt == 2:
                    raise Unavailable("connection dropped") from error
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Garbled("unexpected answer") from error
        raise AssertionError("unreachable")


class LlamaCppEmbeddings(Embeddings):
    """llama.cpp's server.

    Quirks handled: a text beyond its batch is a 500 for the whole list, so texts are tokenised first and sent as lists
    of tokens, never mixed with texts, which would be one vector for all; ``[SEP]`` in a text is the control token
    unless the tokeniser is told that it is not; ``encoding_format`` must not be null; any model's name is accepted.
    Its tokeniser for uncased models takes accents off, but not from all that Unicode has (Korean): we do it before.
    """

    _folds: bool | None = None

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return the vectors of ``texts``; see the promises above."""
        if self._folds is None:
            # A model for which an accent means something else must get to see it.
            self._folds = await self._asked_tokens("É") == await self._asked_tokens("e")
        inputs, cut = await self._cut(texts)
        vectors, tokens = await self._vectors(inputs)
        return Embedded(vectors, tokens, cut)

    async def _tokens(self, text: str) -> list[int]:
        return await self._asked_tokens(without_accents(text) if self._folds else text)

    async def _asked_tokens(self, text: str) -> list[int]:
        body = {"content": text, "add_special": True, "parse_special": False}
        return (await self._post("/tokenize", body, _tokenised)).tokens


class VLlmEmbeddings(Embeddings):
    """vLLM's server, with a model such as bge-m3.

    Quirks handled: a text that does not fit refuses the whole list, so a list with one that may not is tokenised and
    cut here; what fits for certain goes as text, a token being a byte at least, and two of them the model's own.
    """

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Return the vectors of ``texts``; see the promises above."""
        if all(len(text.encode()) <= self._context_tokens - 2 for text in texts):
            vectors, tokens = await self._vectors(list(texts))
            return Embedded(vectors, tokens, [])
        inputs, cut = await self._cut(texts)
        vectors, tokens = await self._vectors(inputs)
        return Embedded(vectors, tokens, cut)

    async def _tokens(self, text: str) -> list[int]:
        body = {"model": self._model, "prompt": text, "add_special_tokens": True}
        return (await self._post("/tokenize", body, _tokenised)).tokens


RUNTIMES: dict[str, type[Embeddings]] = {"llamacpp": LlamaCppEmbeddings, "vllm": VLlmEmbeddings}


def without_accents(text: str) -> str:
    """Return ``text`` decomposed and without combining marks, as BERT's tokeniser for uncased models does it."""
    return without(normalised("NFD", text), ACCENTS)


def _not_now(status: int) -> BackendError:
    """Return what a status other than 200 means. A refusal is no fault of the texts: we have made them fit."""
    return Unavailable(f"status {status}") if status in NOT_NOW or status >= 500 else Garbled(f"status {status}")


async def _whole(response: aiohttp.ClientResponse) -> bytearray:
    """Return a body of bounded size. Raises Garbled."""
    found = bytearray()
    async for block in response.content.iter_any():
        found += block
        if len(found) > MAX_ANSWER_BYTES:
            raise Garbled("answer too long")
    return found


class _Tokenised(msgspec.Struct):
    tokens: list[int]


class _Entry(msgspec.Struct):
    index: int
    embedding: str


class _Counted(msgspec.Struct):
    prompt_tokens: int


class _Answer(msgspec.Struct):
    data: list[_Entry]
    usage: _Counted


_tokenised = msgspec.json.Decoder(_Tokenised)
_answer = msgspec.json.Decoder(_Answer)
