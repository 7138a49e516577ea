"""How long ``bin/up`` takes to the first answer, the second time it starts in a folder."""

import sys
import time
from pathlib import Path

from bench.callers import Answer, Socket, run
from bench.report import Result, run_program
from bench.stage import written_questions
from bench.up import Started, own_folder, running_up

STARTS = 3
MODEL_S = 30.0


def measure() -> list[Result]:
    """Start once to make the folder, then again and again, and keep the slowest: a goal is for every start."""
    question = written_questions()[0].text
    with own_folder() as folder:
        with running_up(folder) as first:
            _answer_s, first_model_s = run(_first_answers(first, question))
        seconds = [_start_again(folder, question) for _ in range(STARTS)]
    note = f"slowest of {STARTS}, PostgreSQL's files warm in the page cache"
    return [
        Result("second start: web server answers", max(web for web, _any, _model in seconds), "s", note=note),
        Result("second start: first answer on any rung", max(any_s for _web, any_s, _model in seconds), "s"),
        Result("second start: first answer of the model", max(model for _web, _any, model in seconds), "s", 10.0),
        Result("first start in an empty folder, same moment", first_model_s, "s", note="packages installed already"),
    ]


def _start_again(folder: Path, question: str) -> tuple[float, float, float]:
    """Return the seconds until the web server answered, until any answer, and until the model's."""
    with running_up(folder) as up:
        return (up.web_after_s, *run(_first_answers(up, question)))


async def _first_answers(up: Started, question: str) -> tuple[float, float]:
    """Ask until the model itself writes; before it is ready, the quote is the answer."""
    first = 0.0
    deadline = time.monotonic() + MODEL_S
    while True:
        socket = await Socket.open(up.url)
        answer: Answer = await socket.answer(question)
        await socket.close()
        now = time.monotonic()
        if answer.last["type"] == "done":
            first = first or now - up.began
        if answer.rung == "small":
            return first, now - up.began
        if now > deadline:
            raise RuntimeError(f"the model did not answer: {answer.rung}")


if __name__ == "__main__":
    sys.exit(run_program("start", measure))
