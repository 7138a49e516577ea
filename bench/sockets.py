"""What a thousand idle sockets cost: memory of the web process for each, and what one asker notices of them."""

import asyncio
import statistics
import sys

from bench.callers import Socket, run
from bench.figures import median_interval, within
from bench.first_token import first_delta_ms
from bench.processes import pss_kib
from bench.report import Result, run_program
from bench.stage import Question, bench_site, written_questions
from tests.live import Site

SOCKETS = 1000
AT_ONCE = 50
PAIRS = 20
QUESTIONS = 4
PHASE_S = 45.0
SETTLED_S = 1.0


def measure() -> list[Result]:
    """Start a site and ask it in turn with and without idle sockets; and another, for what compression costs."""
    with bench_site() as site:
        plain_kib = run(_without_compression(site))
    with bench_site() as site:
        return run(_measure(site, plain_kib))


async def _measure(site: Site, plain_kib: float) -> list[Result]:
    questions = written_questions()[:QUESTIONS]
    for question in [*questions, *questions]:
        await _first_token_ms(site, question)
    web, redis = site.processes["web"].pid, site.redis.pid
    assert redis is not None
    await asyncio.sleep(SETTLED_S)
    before, store_before = pss_kib(web), pss_kib(redis)
    idle = await _open(site)
    await asyncio.sleep(SETTLED_S)
    web_kib, redis_kib = ((pss_kib(web) - before) / SOCKETS, (pss_kib(redis) - store_before) / SOCKETS)
    await _close(idle)
    ratios, alone, among = await _compare(site, questions)
    return [
        Result(
            f"memory of the web process for each of {SOCKETS} idle sockets",
            web_kib,
            "KiB",
            40.0,
            note="PSS, with compression as browsers ask for it",
        ),
        Result("  the same without compression", plain_kib, "KiB", note="opened in a site of its own"),
        Result("  memory of Redis for each", redis_kib, "KiB"),
        Result(
            f"first token beside {SOCKETS} idle sockets, ratio",
            statistics.median(ratios),
            "x",
            1.2,
            interval=median_interval(ratios),
            against=f"{statistics.median(among):.0f} ms against {statistics.median(alone):.0f} ms alone",
            note=f"{len(ratios)} pairs, medians of {QUESTIONS} asks each",
        ),
    ]


async def _compare(site: Site, questions: list[Question]) -> tuple[list[float], list[float], list[float]]:
    """Return the ratio of each pair, and the first tokens in ms without and with the crowd."""
    ratios: list[float] = []
    alone: list[float] = []
    among: list[float] = []
    for number in within(range(PAIRS), PHASE_S):
        medians: dict[bool, float] = {}
        for crowded in (True, False) if number % 2 else (False, True):
            idle = await _open(site) if crowded else []
            await asyncio.sleep(0.1)
            taken = [await _first_token_ms(site, question) for question in questions]
            (among if crowded else alone).extend(taken)
            medians[crowded] = statistics.median(taken)
            await _close(idle)
            await asyncio.sleep(0.1)
        ratios.append(medians[True] / medians[False])
    return ratios, alone, among


async def _first_token_ms(site: Site, question: Question) -> float:
    """Ask on a socket of its own, as a page does."""
    socket = await Socket.open(site.url)
    answer = await socket.answer(question.text)
    await socket.close()
    return first_delta_ms(answer)


async def _without_compression(site: Site) -> float:
    """Return the KiB of the web process for each idle socket that asked for no compression."""
    await _first_token_ms(site, written_questions()[0])
    await asyncio.sleep(SETTLED_S)
    before = pss_kib(site.processes["web"].pid)
    idle = await _open(site, compress=False)
    await asyncio.sleep(SETTLED_S)
    found = (pss_kib(site.processes["web"].pid) - before) / SOCKETS
    await _close(idle)
    return found


async def _open(site: Site, *, compress: bool = True) -> list[Socket]:
    """Open the crowd as browsers do, a few at a time, so that the listen queue is not what is measured."""
    found: list[Socket] = []
    while len(found) < SOCKETS:
        found += await asyncio.gather(*(Socket.open(site.url, compress=compress) for _ in range(AT_ONCE)))
    return found


async def _close(sockets: list[Socket]) -> None:
    await asyncio.gather(*(socket.close() for socket in sockets))


if __name__ == "__main__":
    sys.exit(run_program("sockets", measure))
