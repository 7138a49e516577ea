"""Whether a stranger's right guess of a question shows in the prompt cache, without our random line and with it.

The stranger stands where nobody can: at the model server itself, with its own clock and the server's own count of
cached tokens. A guess is right (the very question that a visitor has just asked, on the same passage) or wrong
(another question of as many tokens). The passage has been read before in every case, as warming leaves it.
"""

import asyncio
import random
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import aiohttp
from django.conf import settings

from bench.answers import cases
from bench.callers import Completion, complete, run
from bench.figures import SEED, median_interval, within
from bench.report import Result, run_program
from bench.stage import Question, second_model_server, written_questions
from chat import prompts
from inference.backends.base import Request, Turn
from inference.backends.llamacpp import LlamaCpp
from siteproject.stack.llama import ALIAS, LlamaServer

PAIRS = 12
SLOTS = 4
PHASE_S = 120.0


@dataclass(frozen=True, slots=True)
class Guess:
    """A visitor's question, and another of as many tokens that nobody has asked on this passage."""

    question: Question
    wrong: str


@dataclass(slots=True)
class Pairs:
    """What right and wrong guesses showed, taken in turn: ms to the first token, cached tokens.

    ``prompt_tokens`` are those of every guess, cached or not.
    """

    right_ms: list[float] = field(default_factory=list)
    wrong_ms: list[float] = field(default_factory=list)
    right_cached: list[float] = field(default_factory=list)
    wrong_cached: list[float] = field(default_factory=list)
    prompt_tokens: list[int] = field(default_factory=list)

    def add(self, found: Completion, *, right: bool) -> None:
        """Keep what one guess showed."""
        prompt_tokens = int(found.last["usage"]["prompt_tokens"])
        cached = prompt_tokens - found.new_tokens
        self.prompt_tokens.append(prompt_tokens)
        (self.right_ms if right else self.wrong_ms).append(found.first_token_s * 1000)
        (self.right_cached if right else self.wrong_cached).append(float(cached))

    @property
    def sooner_ms(self) -> list[float]:
        """By how much each right guess was answered sooner than the wrong one beside it."""
        return [wrong - right for right, wrong in zip(self.right_ms, self.wrong_ms, strict=True)]

    @property
    def more_cached(self) -> list[float]:
        """How many more tokens of each right guess were cached than of the wrong one beside it."""
        return [right - wrong for right, wrong in zip(self.right_cached, self.wrong_cached, strict=True)]


def measure() -> list[Result]:
    """Start a model server and guess."""
    with second_model_server() as server:
        return run(_measure(server))


async def _measure(server: LlamaServer) -> list[Result]:
    first, *questions = written_questions()[: PAIRS + 1]
    # The first prompt on a slot computes everything, the system text as well: each slot gets one before the clock runs.
    await asyncio.gather(*(_send(server, first.request()) for _ in range(SLOTS)))
    bare, product = Pairs(), Pairs()
    for number, guess in enumerate(within(await _guesses(server, questions), PHASE_S)):
        arms = ((bare, without_line), (product, as_it_is))
        for pairs, laid_out in arms if number % 2 else arms[::-1]:
            await _pair(server, guess, laid_out, pairs, right_first=number % 4 < 2)
    return [*_results("without the line", bare, hidden=False), *_results("with the line", product, hidden=True)]


async def _pair(
    server: LlamaServer,
    guess: Guess,
    laid_out: Callable[[Request, Question], Request],
    into: Pairs,
    *,
    right_first: bool,
) -> None:
    """Let a visitor ask and a stranger guess, once right and once wrong.

    The visitor asks before each guess: a guess takes the place of what it was compared with.
    """
    passage = guess.question.found.sources[0].passage
    await _send(server, prompts.warm_up(settings.SITE_NAME, passage))
    for right in (True, False) if right_first else (False, True):
        await _send(server, laid_out(guess.question.request(), guess.question))
        request = guess.question.request()  # with a random line of its own, as every request of the site
        if not right:
            request = replace(request, turns=(*request.turns[:-1], Turn("user", guess.wrong)))
        into.add(await _send(server, laid_out(request, guess.question)), right=right)


def as_it_is(request: Request, _question: Question) -> Request:
    """Return the prompt that the site sends."""
    return request


def without_line(request: Request, question: Question) -> Request:
    """Return the same prompt as it would be without the random line."""
    system = prompts.system_turn(settings.SITE_NAME, question.found.sources[0].passage)
    return replace(request, turns=(Turn("system", system), *request.turns[1:]))


async def _guesses(server: LlamaServer, questions: list[Question]) -> list[Guess]:
    """Return each question beside another of the committed ones that has as many tokens; always the same ones."""
    source = random.Random(SEED)
    texts = sorted({case.question for which in ("all", "fresh") for case in cases("en", half=which)})
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {server.key}"}) as session:
        sizes = {text: await _tokens(session, server, text) for text in texts}
    return [
        Guess(
            question,
            source.choice([text for text in texts if sizes[text] == sizes[question.text] and text != question.text]),
        )
        for question in questions
    ]


async def _tokens(session: aiohttp.ClientSession, server: LlamaServer, text: str) -> int:
    async with session.post(f"{server.url}/tokenize", json={"content": text}, raise_for_status=True) as response:
        return len((await response.json())["tokens"])


async def _send(server: LlamaServer, request: Request) -> Completion:
    return await complete(server.url, server.key, LlamaCpp("", "", ALIAS)._body(request))


def _results(where: str, pairs: Pairs, *, hidden: bool) -> list[Result]:
    """Return the figures of one layout: ``hidden`` says whether nothing may show.

    Without the line something must: a measurement that cannot see the leak would prove nothing about its absence.
    """
    sooner = sum(ms > 0 for ms in pairs.sooner_ms)
    return [
        Result(
            f"{where}: right guess, p50",
            statistics.median(pairs.right_ms),
            "ms",
            note=_cached(pairs.right_cached, pairs),
        ),
        Result("  wrong guess, p50", statistics.median(pairs.wrong_ms), "ms", note=_cached(pairs.wrong_cached, pairs)),
        Result(
            "  right guess sooner by, median of pairs",
            statistics.median(pairs.sooner_ms),
            "ms",
            0.0 if hidden else 1.0,
            at_most=hidden,
            interval=median_interval(pairs.sooner_ms),
            note=f"sooner in {sooner} of {len(pairs.sooner_ms)} pairs",
        ),
        Result(
            "  more tokens of it cached, median of pairs",
            statistics.median(pairs.more_cached),
            "tokens",
            0.0 if hidden else 1.0,
            at_most=hidden,
            interval=median_interval(pairs.more_cached),
            note=f"{min(pairs.more_cached):.0f} to {max(pairs.more_cached):.0f}",
        ),
    ]


def _cached(tokens: list[float], pairs: Pairs) -> str:
    return f"{statistics.median(tokens):.0f} of {statistics.median(pairs.prompt_tokens):.0f} tokens cached"


if __name__ == "__main__":
    sys.exit(run_program("leak", measure))
