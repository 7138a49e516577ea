"""One run of the suite: every answer, one line each, in a file that is named like its digest."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from django.conf import settings

from factory.evaluate.answers import Answer
from factory.evaluate.asking import Writer, ask
from factory.evaluate.suite import Item

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Raw:
    """The file of a run's answers."""

    path: Path
    sha256: str


def folder() -> Path:
    """Return where raw files lie. They hold our own questions and what a model made of them, nobody else's text."""
    return Path(settings.FACTORY_DIR) / "evaluations"


async def run(
    items: Sequence[Item], writer: Writer | None, *, told: Callable[[int, Answer], None] | None = None
) -> list[Answer]:
    """Ask every item, one after the other, so that times are those of one reader; ``told`` hears of each.

    Raises RuntimeError when the first five by a model all fail: the server is not there, and that judges nothing.
    """
    started = time.monotonic()
    answers: list[Answer] = []
    for number, item in enumerate(items, start=1):
        answers.append(await ask(item, writer))
        if told:
            told(number, answers[-1])
        by_model = [each for each in answers if each.by_model]
        if len(by_model) == 5 and all(_is_away(each) for each in by_model):
            raise RuntimeError(f"the model server does not answer ({by_model[-1].finish})")
    logger.info("%d items in %.0f s", len(answers), time.monotonic() - started)
    return answers


def keep(answers: Iterable[Answer]) -> Raw:
    """Write the answers to ``FACTORY_DIR/evaluations/<sha256>.jsonl`` and return where they are."""
    data = b"".join(msgspec.json.encode(each) + b"\n" for each in answers)
    sha256 = hashlib.sha256(data).hexdigest()
    folder().mkdir(parents=True, exist_ok=True)
    path = folder() / f"{sha256}.jsonl"
    path.write_bytes(data)
    return Raw(path, sha256)


def read(path: Path) -> list[Answer]:
    """Return the answers of a raw file. Raises OSError or msgspec.DecodeError."""
    return [msgspec.json.decode(line, type=Answer) for line in path.read_bytes().splitlines()]


def changed(sha256: str) -> bool:
    """Whether the raw file of that digest is here and holds something else."""
    path = folder() / f"{sha256}.jsonl"
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != sha256


def _is_away(answer: Answer) -> bool:
    return answer.rung == "failed" and answer.finish == "model_unavailable"
