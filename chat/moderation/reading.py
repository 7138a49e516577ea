"""What staff see of one flag: what was handed over, what our pages say now, and what stands near it."""

from dataclasses import dataclass

from django.utils import timezone
from django.utils.safestring import SafeString

from chat.grounding import Grounded, ground, index_for, rank
from chat.models import Flag
from chat.moderation import personal_data
from chat.moderation.neighbours import LikeFlag, NearPair, like_flags, near_pairs
from chat.moderation.soundness import passage_of
from chat.moderation.training import consent_of
from chat.presentation import html_of
from chat.replies import beginning
from chat.tree import tree
from content.passages import Passage

FOUND_AT_MOST = 8


@dataclass(frozen=True, slots=True)
class Shown:
    """A passage that the receipt names; None where our pages no longer have it."""

    id: str
    passage: Passage | None


@dataclass(frozen=True, slots=True)
class Warned:
    """A kind of personal data that seems to stand in a part of a flag, and how often."""

    part: str
    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything on the screen of one flag. ``html`` is the answer as its reader saw it."""

    flag: Flag
    html: SafeString
    passages: list[Shown]
    now: Grounded
    warnings: list[Warned]
    like: list[LikeFlag]
    near: list[NearPair]
    may_train: bool

    @property
    def masked_question(self) -> str:
        """The question as the training set would hold it."""
        return personal_data.masked(self.flag.question)


def texts_are_there(flag: Flag) -> bool:
    """Whether the texts of a flag may still be read: expired ones are gone for everybody before the sweeper comes."""
    return flag.emptied_at is None and flag.expires_at > timezone.now()


def read(flag: Flag) -> Reading:
    """Gather what staff see of a flag whose texts are there."""
    return Reading(
        flag=flag,
        html=html_of(tree(flag.text)),
        passages=[Shown(id, passage_of(id, flag.language)) for id in map(str, flag.passages)],
        now=ground(beginning(flag.question), language=flag.language),
        warnings=_warnings(flag),
        like=like_flags(flag),
        near=near_pairs(beginning(flag.question), flag.language),
        may_train=consent_of(flag) is not None,
    )


def passages_about(words: str, language: str) -> list[Passage]:
    """Return the passages that speak most of ``words``, or the one whose id it is; knowledge before pages."""
    exact = passage_of(words.strip(), language)
    if exact:
        return [exact]
    indexes = index_for(language)
    found = [rank(words, None, index).passages[:FOUND_AT_MOST] for index in (indexes.knowledge, indexes.pages)]
    return [scored.passage for scored in [*found[0], *found[1]]][:FOUND_AT_MOST]


def _warnings(flag: Flag) -> list[Warned]:
    parts = {"question": flag.question, "text": flag.text, "words": flag.words}
    counts: dict[tuple[str, str], int] = {}
    for part, text in parts.items():
        label = str(Flag._meta.get_field(part).verbose_name)  # type: ignore[union-attr]
        for pattern in personal_data.found(text):
            key = (label, str(pattern.kind.label))
            counts[key] = counts.get(key, 0) + 1
    return [Warned(part, kind, count) for (part, kind), count in counts.items()]
