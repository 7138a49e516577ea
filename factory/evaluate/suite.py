"""The questions of the behaviour suite, in one order, with ids that last.

Four sources: the phrasings and approved questions of the published texts (one for each section and pair), what
``factory/suite/*.yaml`` holds, and the reported half of ``tests/answers``, read where it stands. The phrasings are
searched by the retrieval itself, so that part is *near*; the hand-written questions are not.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from django.conf import settings

from compliance.chain import canonical
from content.passages import ApprovedPair, Passage, approved_pairs, passages

FOLDER = Path(__file__).parent.parent / "suite"
UNANSWERABLE = 60  # sections whose question is asked once more without them

Kind = Literal[
    "phrasing",  # of a section, as its front matter has it
    "approved",  # a question that an approved pair answers
    "written",  # by hand, answered by our texts
    "follow_up",  # by hand, understood only with the question before it
    "question",  # of tests/answers
    "unanswerable",  # the passage that answers it is taken away
    "out_of_scope",
    "harmful",
    "look_alike",  # harmless, and sounds harmful
]
SILENT: frozenset[str] = frozenset({"unanswerable", "out_of_scope"})


@dataclass(frozen=True, slots=True)
class Item:
    """One question. ``document`` and ``section`` name the passage that answers it, as the ids of passages do.

    ``facts``: any of these strings on the screen shows the right fact; empty where nobody wrote them down.
    """

    id: str
    language: str
    kind: Kind
    question: str
    previous: str | None = None
    document: str | None = None
    section: str | None = None
    facts: tuple[str, ...] = ()

    @property
    def answerable(self) -> bool:
        """Whether our texts answer it: a refusal would be false."""
        return self.document is not None and self.kind not in SILENT and self.kind != "harmful"

    @property
    def passage(self) -> str:
        """Return the id of the passage that answers it, without the number of a part."""
        return f"{self.document}#{self.section}"


class Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a hand-written file."""

    id: str
    question: str
    before: str | None = None
    document: str | None = None
    section: str | None = None
    facts: tuple[str, ...] = ()


class Case(msgspec.Struct, frozen=True):
    """One entry of ``tests/answers``, as far as the suite reads it."""

    id: str
    kind: str
    question: str
    before: str | None = None
    document: str | None = None
    section: str | None = None
    facts: tuple[str, ...] = ()


def items(language: str) -> list[Item]:
    """Return the suite of ``language``. Raises OSError where a file of it is missing."""
    found = [
        *_phrasings(passages(language)),
        *_approved(approved_pairs(language)),
        *_written(language),
        *_referenced(language),
    ]
    doubles = len(found) - len({item.id for item in found})
    if doubles:
        raise ValueError(f"{doubles} items of the suite share an id")
    return found


def digest(language: str) -> str:
    """Return the sha256 of the suite: its questions, and the texts that they are asked of."""
    asked = [asdict(item) for item in items(language)]
    of = [[passage.id, passage.text, list(passage.phrasings)] for passage in passages(language)]
    answers = [[pair.passage, list(pair.questions), pair.answer] for pair in approved_pairs(language)]
    return hashlib.sha256(canonical(msgspec.to_builtins([asked, of, answers]))).hexdigest()


def _phrasings(found: Iterable[Passage]) -> Iterator[Item]:
    """Yield one phrasing of each section, and the question of some sections again as one without an answer.

    Which phrasing follows from its own digest, so a new one beside it changes nothing for most others.
    """
    chosen = {passage.id: _lot(passage.phrasings) for passage in found if passage.phrasings}
    of = {passage.id: passage for passage in found}
    for id, question in chosen.items():
        yield _about(of[id], "phrasing", question)
    # Of knowledge only: what pages say, knowledge mostly says as well.
    for id in sorted((id for id in chosen if of[id].kind == "knowledge"), key=_rank)[:UNANSWERABLE]:
        yield _about(of[id], "unanswerable", chosen[id])


def _about(passage: Passage, kind: Kind, question: str) -> Item:
    document, _, section = passage.id.partition("#")
    return Item(
        id=f"{passage.language}/{kind}/{passage.id}",
        language=passage.language,
        kind=kind,
        question=question,
        document=document,
        section=section,
    )


def _approved(pairs: Iterable[ApprovedPair]) -> Iterator[Item]:
    """Yield one question of each approved pair."""
    numbers: dict[str, int] = {}
    for pair in pairs:
        number = numbers[pair.passage] = numbers.get(pair.passage, 0) + 1
        document, _, section = pair.passage.partition("#")
        yield Item(
            id=f"{pair.language}/approved/{pair.passage}/{number}",
            language=pair.language,
            kind="approved",
            question=_lot(pair.questions),
            document=document,
            section=section,
        )


def _written(language: str) -> Iterator[Item]:
    """Yield the hand-written questions, in the order of their files."""
    for kind in ("written", "follow_up", "out_of_scope", "harmful", "look_alike"):
        for entry in _read(FOLDER / f"{kind}_{language}.yaml", list[Written]):
            yield Item(
                id=f"{language}/{kind}/{entry.id}",
                language=language,
                kind=kind,
                question=entry.question,
                previous=entry.before,
                document=entry.document,
                section=entry.section,
                facts=entry.facts,
            )


def _referenced(language: str) -> Iterator[Item]:
    """Yield the half of ``tests/answers`` that is reported and calibrates nothing.

    The blind set stays blind: the texts of a run are there to be read.
    """
    kinds: dict[str, Kind] = {"removed": "unanswerable", "out_of_scope": "out_of_scope"}
    cases = _read(Path(settings.BASE_DIR) / "tests" / "answers" / f"{language}.yaml", list[Case])
    for case in cases[1::2]:
        yield Item(
            id=f"{language}/question/{case.id}",
            language=language,
            kind=kinds.get(case.kind, "question"),
            question=case.question,
            previous=case.before,
            document=case.document,
            section=case.section,
            facts=case.facts,
        )


def _read(path: Path, type: Any) -> Any:
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), type)


def _lot(texts: Iterable[str]) -> str:
    return min(texts, key=_rank)


def _rank(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
