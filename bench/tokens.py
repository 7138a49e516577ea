"""How many tokens a second pass through our socket: with the real model, and with one that costs nothing."""

import asyncio
import statistics
import sys
import time
from dataclasses import dataclass, field

from bench.callers import Socket, complete, is_end, run
from bench.children import running_module
from bench.figures import median_interval, within
from bench.report import Result, run_program
from bench.stage import Question, bench_site, written_questions
from siteproject.stack.children import cpu_seconds
from siteproject.stack.llama import LlamaServer
from siteproject.stack.probe import free_port
from tests.live import Site

PAIRS = 20
QUESTIONS = 12
QUESTIONS_A_PAIR = 2
MODEL_S = 30.0

STREAMS = 4
PIECES = 1000
ROUNDS = 8
SCRIPTED_S = 12.0

# An answer of thousands of tokens is longer than any cap we ship, and shows the stream, not its beginning and end.
LONG = {"LLM_CPU_CONTEXT": "200000", "LLM_CPU_MAX_TOKENS": "100000", "CHAT_MAX_TOKENS_SMALL": "100000"}


@dataclass(slots=True)
class Sender:
    """A web process that sends tokens: its rates, and its CPU time, which a busy machine does not distort much."""

    url: str
    pid: int
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    async def saturate(self, question: str, *, compress: bool) -> None:
        """Take one round of answers at once."""
        before = cpu_seconds(self.pid)
        self.rates.append(await _saturated(self.url, question, compress=compress))
        self.cpu_us.append((cpu_seconds(self.pid) - before) / (STREAMS * PIECES) * 1e6)

    def forget(self) -> None:
        self.rates.clear()
        self.cpu_us.clear()


def measure() -> list[Result]:
    """Measure with the real model, then with the scripted one."""
    with bench_site() as site:
        assert site.llama is not None
        results = run(_with_model(site, site.llama))
    upstream, bare = free_port(), free_port()
    with (
        running_module("bench.scripted_upstream", upstream, PIECES),
        running_module("bench.bare_consumer", bare, PIECES) as bare_pid,
        bench_site(LONG | {"LLM_CPU_URL": f"http://127.0.0.1:{upstream}"}, model=False) as site,
    ):
        ours = Sender(site.url, site.processes["web"].pid)
        return results + run(_scripted(ours, Sender(f"http://localhost:{bare}", bare_pid)))


async def _with_model(site: Site, llama: LlamaServer) -> list[Result]:
    questions = written_questions()[:QUESTIONS]
    socket = await Socket.open(site.url)
    for question in within(questions, MODEL_S / 3):
        await socket.answer(question.text)
    shares: list[float] = []
    ours: list[float] = []
    direct: list[float] = []
    for number in within(range(PAIRS), MODEL_S):
        first = number * QUESTIONS_A_PAIR % QUESTIONS
        mine = questions[first : first + QUESTIONS_A_PAIR]
        for through_us in (True, False) if number % 2 else (False, True):
            rates = ours if through_us else direct
            rates.append(await (_rate_of_socket(socket, mine) if through_us else _rate_of_server(llama, mine)))
        shares.append(ours[-1] / direct[-1])
    await socket.close()
    return [
        Result(
            "real model: share of llama.cpp's own rate",
            statistics.median(shares),
            "",
            0.95,
            at_most=False,
            interval=median_interval(shares),
            against=f"{statistics.median(ours):.0f} against {statistics.median(direct):.0f} tokens/s",
            note=f"{len(shares)} interleaved pairs",
        )
    ]


async def _rate_of_socket(socket: Socket, questions: list[Question]) -> float:
    answers = [await socket.answer(question.text) for question in questions]
    return _rate([answer.deltas_s for answer in answers if answer.rung == "small"])


async def _rate_of_server(server: LlamaServer, questions: list[Question]) -> float:
    found = [await complete(server.url, server.key, question.body()) for question in questions]
    return _rate([completion.pieces_s for completion in found])


def _rate(answers: list[list[float]]) -> float:
    """Return pieces per second between the first and the last piece of each answer: the wait before is not counted."""
    pieces = sum(len(times) - 1 for times in answers)
    return pieces / sum(times[-1] - times[0] for times in answers)


async def _scripted(ours: Sender, bare: Sender) -> list[Result]:
    """Compare in turn, with compression as browsers ask for it and without."""
    question = written_questions()[0].text
    results = []
    for compress in (True, False):
        for _round in within(range(ROUNDS), SCRIPTED_S):
            for sender in (ours, bare):
                await sender.saturate(question, compress=compress)
        how = "as browsers connect" if compress else "without compression"
        results += [
            Result(
                f"scripted model, {how}",
                statistics.median(ours.rates),
                "tokens/s",
                15_000.0,
                at_most=False,
                against=f"bare consumer {statistics.median(bare.rates):,.0f}",
                note=f"{STREAMS} streams of {PIECES} pieces, {len(ours.rates)} rounds",
            ),
            Result(
                "  CPU time of the web process for each token, checks included",
                statistics.median(ours.cpu_us),
                "us",
                against=f"bare consumer {statistics.median(bare.cpu_us):.0f}",
            ),
        ]
        ours.forget()
        bare.forget()
    return results


async def _saturated(url: str, question: str, *, compress: bool) -> float:
    """Return the tokens per second of ``STREAMS`` answers at once, from the first delta until one of them has its last.

    Up to then every stream is busy; what comes after a last delta, checks and seal, is no streaming.
    """
    sockets = [await Socket.open(url, compress=compress) for _ in range(STREAMS)]
    for socket in sockets:
        socket.send_ask(question)
    arrivals = await asyncio.gather(*(_deltas(socket) for socket in sockets))
    for socket in sockets:
        await socket.close()
    began, ended = min(times[0] for times in arrivals), min(times[-1] for times in arrivals)
    return sum(time <= ended for times in arrivals for time in times) / (ended - began)


async def _deltas(socket: Socket) -> list[float]:
    """Return when each delta of an answer came. Raises RuntimeError where there are too few."""
    found: list[float] = []
    while True:
        messages = await socket.read()
        now = time.perf_counter()
        for message in messages:
            if b'"type":"delta"' in message:
                found.append(now)
            elif is_end(message):
                if len(found) < PIECES:
                    raise RuntimeError(f"the answer ended after {len(found)} of {PIECES} pieces")
                return found


if __name__ == "__main__":
    sys.exit(run_program("tokens", measure))
