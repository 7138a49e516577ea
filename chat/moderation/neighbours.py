"""What stands near a flag: others like it, answers to the same question, and how near a text comes to its words."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from chat.grounding import index_for
from chat.models import Correction, Flag
from chat.words import fold, terms, wording
from content.passages import ApprovedPair

# Older ones have lost their texts by then anyway.
NEWEST = 400
LIKE_AT_LEAST = 0.3
NEAR_AT_LEAST = 0.25
# A question is told by its beginning: hundreds of 16 KiB, sent to be slow to read, would hold staff up for a minute.
COMPARED_CHARS = 600
RUN_WORDS = 4


@dataclass(frozen=True, slots=True)
class LikeFlag:
    flag: Flag
    likeness: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class NearPair:
    """An answer to a question like this one. ``correction`` is None where it stands in a file."""

    question: str
    answer: str
    passage: str
    likeness: float  # 0 to 1
    correction: Correction | None = None


def like_flags(flag: Flag, *, limit: int = 5) -> list[LikeFlag]:
    """Return the flags whose questions share most words with this one, open or decided, while their texts are there."""
    asked = frozenset(_beginning(flag))
    rows = Flag.objects.with_texts().filter(language=flag.language).exclude(pk=flag.pk).order_by("-id")[:NEWEST]
    scored = [LikeFlag(row, overlap(asked, _beginning(row))) for row in rows.defer("text", "words", "receipt")]
    near = [like for like in scored if like.likeness >= LIKE_AT_LEAST]
    return sorted(near, key=lambda like: -like.likeness)[:limit]


def near_pairs(question: str, language: str, *, limit: int = 5) -> list[NearPair]:
    """Return the approved pairs and the corrections that ask what ``question`` asks, nearest first."""
    asked = frozenset(terms(question, language))
    exact = wording(question)

    def nearness(phrasings: Iterable[str]) -> float:
        return max(
            (1.0 if wording(one) == exact else overlap(asked, terms(one, language)) for one in phrasings), default=0.0
        )

    written = Correction.objects.filter(language=language).exclude(state=Correction.State.WITHDRAWN)
    found = [_of_correction(row, nearness(row.questions)) for row in written.order_by("-id")[:NEWEST]]
    found += [_of_pair(pair, nearness(pair.questions)) for pair in index_for(language).knowledge.pairs]
    near = [pair for pair in found if pair.likeness >= NEAR_AT_LEAST]
    return sorted(near, key=lambda pair: -pair.likeness)[:limit]


def overlap(these: Collection[str], those: Collection[str]) -> float:
    """Return what two sets of words have in common, 0 to 1 (Sørensen and Dice)."""
    one, other = frozenset(these), frozenset(those)
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def likeness(written: str, theirs: str) -> float:
    """Return how much of ``written`` is somebody else's wording, 0 to 1.

    The share of its runs of four words that stand in ``theirs`` too; of a text too short for runs, of its words.
    """
    ours, other = fold(written).split(), fold(theirs).split()
    length = RUN_WORDS if len(ours) >= RUN_WORDS + 1 and len(other) >= RUN_WORDS else 1
    runs, known = _runs(ours, length), frozenset(_runs(other, length))
    return sum(run in known for run in runs) / len(runs) if runs and known else 0.0


def _beginning(flag: Flag) -> list[str]:
    return terms(flag.question.lstrip()[:COMPARED_CHARS], flag.language)


def _runs(words: list[str], length: int) -> list[tuple[str, ...]]:
    plain = ["".join(letter for letter in word if letter.isalnum()) for word in words]
    kept = [word for word in plain if word]
    return [tuple(kept[at : at + length]) for at in range(len(kept) - length + 1)]


def _of_pair(pair: ApprovedPair, likeness: float) -> NearPair:
    return NearPair(pair.questions[0], pair.answer, pair.passage, likeness)


def _of_correction(row: Correction, likeness: float) -> NearPair:
    return NearPair(row.questions[0] if row.questions else "", row.answer, row.passage, likeness, row)
