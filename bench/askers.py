"""How soon fifty askers see that their question arrived: the first status event, when all ask in the same instant."""

import asyncio
import statistics
import sys

from bench.callers import Answer, Socket, run
from bench.figures import percentile, within
from bench.report import Result, run_program
from bench.stage import bench_site, verified_questions
from siteproject.stack.children import cpu_seconds
from tests.live import Site

ASKERS = 50
ROUNDS = 20
PHASE_S = 60.0


def measure() -> list[Result]:
    """Start a site without a model, which no first event waits for, and let everybody ask at once."""
    with bench_site(model=False) as site:
        return run(_measure(site))


async def _measure(site: Site) -> list[Result]:
    questions = [question.text for question in verified_questions()]
    sockets = [await Socket.open(site.url) for _ in range(ASKERS)]
    await _all_ask(sockets, questions)  # the first round opens connections to Redis and fills caches
    cpu_before = cpu_seconds(site.processes["web"].pid)
    status_ms: list[float] = []
    answered_ms: list[float] = []
    for _round in within(range(ROUNDS), PHASE_S):
        for answer in await _all_ask(sockets, questions):
            status_ms.append((answer.at("status") or 0.0) * 1000)
            answered_ms.append(answer.events[-1][0] * 1000)
        await asyncio.sleep(0.2)
    cpu_ms = (cpu_seconds(site.processes["web"].pid) - cpu_before) / len(status_ms) * 1000
    for socket in sockets:
        await socket.close()
    return [
        Result(f"status event, {ASKERS} askers at once, p95", percentile(status_ms, 0.95), "ms", 50.0),
        Result("  the same, p50", statistics.median(status_ms), "ms", note=f"{len(status_ms)} asks"),
        Result("  verified answer in whole, p95", percentile(answered_ms, 0.95), "ms"),
        Result("  CPU time of the web process for each answer", cpu_ms, "ms"),
    ]


async def _all_ask(sockets: list[Socket], questions: list[str]) -> list[Answer]:
    """Send every question before the first answer is read, and return the answers."""
    for number, socket in enumerate(sockets):
        socket.send_ask(questions[number % len(questions)])
    answers = await asyncio.gather(*(socket.hear() for socket in sockets))
    if wrong := {answer.rung for answer in answers} - {"verified"}:
        raise RuntimeError(f"expected approved answers, got {', '.join(sorted(wrong))}")
    return answers


if __name__ == "__main__":
    sys.exit(run_program("askers", measure))
