"""How soon the first word comes: through our socket, and from the llama.cpp server given the same prompt."""

import asyncio
import statistics
import sys
from dataclasses import dataclass, field

from bench.callers import Answer, Socket, complete, run
from bench.figures import median_interval, percentile, within
from bench.report import Result, run_program
from bench.stage import Question, bench_site, second_model_server, verified_questions, written_questions
from siteproject.stack.llama import LlamaServer
from tests.live import Site

PAIRS = 20
ASKERS = 4
ROUNDS = 12
VERIFIED_ASKS = 60
PHASE_S = 20.0


@dataclass(slots=True)
class Pairs:
    """First tokens in ms through the socket and from the server itself, taken in turn; and the quotes' arrival.

    ``new_tokens``: how much of each prompt the server had to read.
    """

    ours_ms: list[float] = field(default_factory=list)
    direct_ms: list[float] = field(default_factory=list)
    quote_ms: list[float] = field(default_factory=list)
    new_tokens: list[int] = field(default_factory=list)

    @property
    def added_ms(self) -> list[float]:
        return [ours - direct for ours, direct in zip(self.ours_ms, self.direct_ms, strict=True)]


def measure() -> list[Result]:
    """Start a site and a second model server, and ask."""
    with bench_site() as site, second_model_server() as other:
        assert site.llama is not None
        return run(_measure(site, site.llama, other))


async def _measure(site: Site, llama: LlamaServer, other: LlamaServer) -> list[Result]:
    questions = written_questions()
    first, fresh = questions[:ASKERS], questions[ASKERS : ASKERS + PAIRS]
    # The first prompt on a slot computes everything, the system text as well: each slot gets one before the clock runs.
    await asyncio.gather(*(_ask_on_new_socket(site, question) for question in first))
    await asyncio.gather(*(complete(other.url, other.key, question.body()) for question in first))

    new = await _pairs(site, other, fresh)
    cached = questions[: ASKERS + len(new.ours_ms)]
    known = await _pairs(site, llama, cached[:PAIRS])
    at_once = await _at_once(site, cached)
    verified = await _verified(site)
    return _results(new, known, at_once, verified)


async def _pairs(site: Site, server: LlamaServer, questions: list[Question]) -> Pairs:
    """Ask each question both ways, the socket first in every other pair."""
    found = Pairs()
    socket = await Socket.open(site.url)
    for number, question in enumerate(within(questions, PHASE_S)):
        for ours in (True, False) if number % 2 else (False, True):
            if ours:
                answer = await socket.answer(question.text)
                found.ours_ms.append(first_delta_ms(answer))
                found.quote_ms.append((answer.at("sources") or 0.0) * 1000)
            else:
                direct = await complete(server.url, server.key, question.body())
                found.direct_ms.append(direct.first_token_s * 1000)
                found.new_tokens.append(direct.new_tokens)
    await socket.close()
    return found


async def _at_once(site: Site, questions: list[Question]) -> list[float]:
    """Return first tokens in ms of askers who ask in the same instant, round after round, each on another passage."""
    sockets = [await Socket.open(site.url) for _ in range(ASKERS)]
    found: list[float] = []
    for number in within(range(ROUNDS), PHASE_S):
        mine = [questions[(number * ASKERS + at) % len(questions)] for at in range(ASKERS)]
        pairs = zip(sockets, mine, strict=True)
        answers = await asyncio.gather(*(socket.answer(question.text) for socket, question in pairs))
        found += [first_delta_ms(answer) for answer in answers]
    for socket in sockets:
        await socket.close()
    return found


async def _verified(site: Site) -> list[float]:
    """Return the ms until approved answers were there in whole."""
    questions = verified_questions()
    socket = await Socket.open(site.url)
    found = []
    for number in within(range(VERIFIED_ASKS), PHASE_S):
        answer = await socket.answer(questions[number % len(questions)].text)
        if answer.rung != "verified":
            raise RuntimeError(f"expected an approved answer, got {answer.rung}")
        found.append(answer.events[-1][0] * 1000)
    await socket.close()
    return found


async def _ask_on_new_socket(site: Site, question: Question) -> None:
    socket = await Socket.open(site.url)
    await socket.answer(question.text)
    await socket.close()


def first_delta_ms(answer: Answer) -> float:
    """Return the ms to the small model's first word. Raises RuntimeError where something else answered."""
    seconds = answer.at("delta")
    if answer.rung != "small" or seconds is None:
        raise RuntimeError(f"expected the small model, got {answer.rung}")
    return seconds * 1000


def _results(new: Pairs, known: Pairs, at_once: list[float], verified: list[float]) -> list[Result]:
    direct_known, direct_new = statistics.median(known.direct_ms), statistics.median(new.direct_ms)
    quotes = known.quote_ms + new.quote_ms
    return [
        Result(
            "first token, cached passage, p50",
            statistics.median(known.ours_ms),
            "ms",
            120.0,
            interval=median_interval(known.ours_ms),
            note=f"{statistics.median(known.new_tokens):.0f} new tokens, {len(known.ours_ms)} interleaved pairs",
            against=f"llama.cpp itself {direct_known:.0f} ms",
        ),
        Result(
            "  added by us, median of pairs",
            statistics.median(known.added_ms),
            "ms",
            10.0,
            interval=median_interval(known.added_ms),
        ),
        Result(
            "first token, new passage, p50",
            statistics.median(new.ours_ms),
            "ms",
            600.0,
            interval=median_interval(new.ours_ms),
            note=f"{statistics.median(new.new_tokens):.0f} new tokens, {len(new.ours_ms)} interleaved pairs",
            against=f"llama.cpp itself {direct_new:.0f} ms",
        ),
        Result(
            "  added by us, median of pairs",
            statistics.median(new.added_ms),
            "ms",
            interval=median_interval(new.added_ms),
            note="another server with the same settings",
        ),
        Result(
            f"first token, {ASKERS} askers at once, cached, p95",
            percentile(at_once, 0.95),
            "ms",
            400.0,
            note=f"{len(at_once)} asks",
        ),
        Result("quote on screen, p95", percentile(quotes, 0.95), "ms", 50.0, note=f"{len(quotes)} asks, one asker"),
        Result("verified answer in whole, p95", percentile(verified, 0.95), "ms", 30.0, note=f"{len(verified)} asks"),
    ]


if __name__ == "__main__":
    sys.exit(run_program("first_token", measure))
