"""The training set: what senders consented to, with the answers of staff, as one file with the same bytes every time.

Nothing of it says who a sender is. What must not be in it is left out when it is made, and looked for once more in the
file as it lies there, before a release: an example whose consent is gone, patterns of personal data, control tokens of
chat templates, questions that models are judged by, too much of one sender.
"""

import hashlib
import json
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

from chat.models import TrainingExample, WithdrawnExample
from chat.moderation.personal_data import found as personal_data
from chat.words import wording
from compliance import evidence
from compliance.consents import given
from compliance.models import EvidenceRecord, Purpose
from factory.evaluate import suite
from inference.backends.tokens import neutralise

KIND = "dataset"
NAME = "training.jsonl"
NGRAM = 8  # words in a row that a question for judging and an example must not share
SENDER_ROWS_FROM = 20  # a smaller set cannot be spread over senders
SENDER_SHARE = 5  # of the rows, one in so many may be one sender's

# Why an example is left out; the first that holds counts.
WITHDRAWN = "withdrawn"
NO_CONSENT = "no_consent"
PERSONAL_DATA = "personal_data"
CONTROL_TOKENS = "control_tokens"
HELD_OUT = "held_out"
ONE_SENDER = "one_sender"
OBJECTIONS = (WITHDRAWN, NO_CONSENT, PERSONAL_DATA, CONTROL_TOKENS, HELD_OUT, ONE_SENDER)


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """``data`` is the file, ``examples`` what its lines were made of, ``excluded`` how many were left out, and why."""

    data: bytes
    examples: tuple[TrainingExample, ...]
    excluded: dict[str, int]
    held_out: int  # questions it was compared with

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


class HeldOut:
    """The questions that models are judged by, for comparison with what they are taught."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._whole: set[str] = set()
        self._runs: set[tuple[str, ...]] = set()
        self.count = 0
        for question in questions:
            words = wording(question)
            self.count += 1
            self._whole.add(words)
            self._runs.update(_runs(words.split()))

    def has(self, text: str) -> bool:
        """Whether ``text`` shares ``NGRAM`` words in a row with such a question, or is a shorter one of them."""
        words = wording(text)
        return words in self._whole or not self._runs.isdisjoint(_runs(words.split()))


def build(held_out: HeldOut | None = None) -> TrainingSet:
    """Return the training set of now. Raises OSError where the questions for judging are not there to compare with."""
    held_out = held_out or HeldOut(questions_for_judging())
    fitting: list[TrainingExample] = []
    excluded: Counter[str] = Counter()
    judge = _Judge(held_out)
    for example in TrainingExample.objects.order_by("id"):
        objection = judge.objection(example.public_id, example.question, example.answer)
        if objection:
            excluded[objection] += 1
        else:
            fitting.append(example)
    kept = _spread(fitting)
    if len(kept) < len(fitting):
        excluded[ONE_SENDER] = len(fitting) - len(kept)
    data = b"".join(_line(example) for example in kept)
    return TrainingSet(data, tuple(kept), dict(excluded), held_out.count)


def objections(data: bytes, held_out: HeldOut) -> dict[str, int]:
    """Return what is wrong with the lines of a training set as it lies there, by reason; empty when nothing is."""
    judge = _Judge(held_out)
    rows = [json.loads(line) for line in data.splitlines()]
    wrong: Counter[str] = Counter()
    senders: Counter[uuid.UUID] = Counter()
    for row in rows:
        question, answer = (message["content"] for message in row["messages"][-2:])
        objection = judge.objection(uuid.UUID(row["id"]), question, answer)
        if objection:
            wrong[objection] += 1
        senders.update(judge.senders_of(uuid.UUID(row["id"])))
    if len(rows) >= SENDER_ROWS_FROM and senders.most_common(1)[0][1] * SENDER_SHARE > len(rows):
        wrong[ONE_SENDER] += 1
    return dict(wrong)


def file() -> Path:
    """Return where the training set lies on this machine, if somebody made one here."""
    return Path(settings.FACTORY_DIR) / NAME


def write(made: TrainingSet, path: Path) -> None:
    """Put the file there, whole or not at all, readable by its owner alone: it holds what people asked."""
    _replace(path, made.data)


def drop_withdrawn(path: Path) -> int:
    """Take the lines of withdrawn examples out of the file, and return how many; 0 where there is no file."""
    if not path.exists():
        return 0
    lines = path.read_bytes().splitlines(keepends=True)
    gone = set(WithdrawnExample.objects.values_list("example", flat=True))
    kept = [line for line in lines if uuid.UUID(json.loads(line)["id"]) not in gone]
    if len(kept) < len(lines):
        _replace(path, b"".join(kept))
    return len(lines) - len(kept)


def on_examples_left(sender: object, **_kwargs: Any) -> None:
    """Receive ``chat.moderation.training.examples_left``: what was withdrawn leaves the file on this machine at once.

    A copy elsewhere is caught by the gate, which holds the file of a release against the database.
    """
    drop_withdrawn(file())


def record(made: TrainingSet) -> EvidenceRecord:
    """Put on record what the set is: its digest and counts, nobody's words."""
    days = [example.created_at.date().isoformat() for example in made.examples]
    words = [len(wording(f"{example.question} {example.answer}").split()) for example in made.examples]
    return evidence.record(
        KIND,
        {
            "sha256": made.sha256,
            "rows": len(made.examples),
            "languages": _counts(example.language for example in made.examples),
            "words": {"fewest": min(words, default=0), "most": max(words, default=0), "all": sum(words)},
            "sources": {"flags": len(made.examples)},
            "licences": {"answers_by_staff": len(made.examples)},
            "consent_basis": {str(Purpose.TRAIN_ON_FLAGS): len(made.examples)},
            "excluded": {reason: made.excluded.get(reason, 0) for reason in OBJECTIONS},
            "pii_scan": {"rows": len(made.examples), "hits": 0},
            "held_out": {"questions": made.held_out, "words_in_a_row": NGRAM},
            "from": min(days, default=""),
            "to": max(days, default=""),
        },
    )


def questions_for_judging() -> list[str]:
    """Return every question of the behaviour suite and of ``tests/answers``. Raises OSError where they are missing."""
    folder = Path(settings.BASE_DIR) / "tests/answers"
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise FileNotFoundError(folder)
    committed = [one for path in files for one in _questions(yaml.safe_load(path.read_text(encoding="utf-8")))]
    return [*committed, *(item.question for code in settings.COMPLETE_LANGUAGES for item in suite.items(code))]


def _questions(value: object) -> Iterator[str]:
    """Yield the questions of a committed file: those named so, and lists of nothing but texts."""
    match value:
        case str():
            yield value
        case {"question": str(question), **others}:
            yield question
            yield from _questions(others.get("before", []))
        case dict() | list():
            for part in value.values() if isinstance(value, dict) else value:
                yield from _questions(part)


class _Judge:
    """Says what is wrong with one example, by what holds in the database now."""

    def __init__(self, held_out: HeldOut) -> None:
        self._held_out = held_out
        self._withdrawn = set(WithdrawnExample.objects.values_list("example", flat=True))
        self._subjects = dict(TrainingExample.objects.values_list("public_id", "subject"))
        self._consents: dict[uuid.UUID, bool] = {}

    def objection(self, id: uuid.UUID, question: str, answer: str) -> str:
        """Return why an example must not be in the set, empty when it may."""
        if id in self._withdrawn or id not in self._subjects:
            return WITHDRAWN
        if not self._consents_now(self._subjects[id]):
            return NO_CONSENT
        both = (question, answer)
        if any(personal_data(text) for text in both):
            return PERSONAL_DATA
        if any(neutralise(text) != text for text in both):
            return CONTROL_TOKENS
        return HELD_OUT if any(self._held_out.has(text) for text in both) else ""

    def senders_of(self, id: uuid.UUID) -> list[uuid.UUID]:
        return [self._subjects[id]] if id in self._subjects else []

    def _consents_now(self, subject: uuid.UUID) -> bool:
        if subject not in self._consents:
            self._consents[subject] = given(subject, Purpose.TRAIN_ON_FLAGS) is not None
        return self._consents[subject]


def _spread(examples: Sequence[TrainingExample]) -> list[TrainingExample]:
    """Return the examples without the newest of a sender who has more than a fifth of a set that is not tiny."""
    kept = list(examples)
    while len(kept) >= SENDER_ROWS_FROM:
        subject, most = Counter(example.subject for example in kept).most_common(1)[0]
        if most * SENDER_SHARE <= len(kept):
            break
        kept.remove(next(example for example in reversed(kept) if example.subject == subject))
    return kept


def _line(example: TrainingExample) -> bytes:
    """Return an example as chat messages in one line of JSON. Ids lead back to the records, none to a person."""
    row: dict[str, Any] = {
        "id": str(example.public_id),
        "language": example.language,
        "messages": [
            {"role": "user", "content": example.question},
            {"role": "assistant", "content": example.answer},
        ],
        "passage": example.passage,
        "provenance": {key: example.provenance.get(key) for key in ("flag", "finding", "consent_event")},
    }
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _runs(words: Sequence[str]) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + NGRAM]) for at in range(len(words) - NGRAM + 1)}


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # 0600 from the start
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
