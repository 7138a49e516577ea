"""What the author of a correction is shown while writing: what readers would get, and what to look at again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from chat.grounding import index_for
from chat.models import Flag
from chat.moderation import corrections, personal_data
from chat.moderation.neighbours import likeness
from chat.presentation import html_of
from chat.quotes import quote
from chat.retrieval import weighted_terms
from chat.tree import Node
from content.passages import Passage
from inference.models import Rung

# From so much of somebody's wording on, the author is told. Said, never refused: short questions are alike.
LIKE = 0.5
TODAY_CHARS = 160


@dataclass(frozen=True, slots=True)
class Previewed:
    """An answer as readers would get it, the passage under it with its quote, and hints to its author."""

    tree: list[Node]
    passage: Passage | None
    quote: str
    hints: list[str]

    @property
    def html(self) -> SafeString:
        return html_of(self.tree)

    def as_json(self) -> dict[str, Any]:
        source = {"title": self.passage.title, "url": self.passage.url, "quote": self.quote} if self.passage else None
        return {"tree": self.tree, "source": source, "hints": self.hints}


def previewed(*, flag: Flag, language: str, questions: Sequence[str], answer: str, passage: str) -> Previewed:
    """Return what ``questions`` would be answered with. Nothing is written; what is not typed yet is left out."""
    found = corrections.preview(language, questions, answer, passage)
    typed = {"questions": any(questions), "answer": bool(answer), "passage": bool(passage), "language": True}
    return Previewed(
        tree=found.tree,
        passage=found.source,
        quote=_quote(questions, found.source) if found.source else "",
        hints=[
            *(problem.text for problem in found.problems if typed.get(problem.field)),
            *_wording(flag, questions, answer),
            *_patterns([*questions, answer]),
            *found.cautions,
            *_replaced(found),
            *_today(found),
        ],
    )


def _quote(questions: Sequence[str], proof: Passage) -> str:
    index = index_for(proof.language).knowledge
    return quote(proof.text, weighted_terms(" ".join(questions), None, index), index).text


def _wording(flag: Flag, questions: Sequence[str], answer: str) -> list[str]:
    theirs = f"{flag.question} {flag.words}"
    share = max((likeness(text, theirs) for text in (*questions, answer)), default=0.0)
    if share < LIKE:
        return []
    words = _("%(percent)d %% of one of your texts is the sender’s own wording. Say it in your own words.")
    return [words % {"percent": round(100 * share)}]


def _patterns(texts: Sequence[str]) -> list[str]:
    kinds = {str(pattern.kind.label) for text in texts for pattern in personal_data.found(text)}
    return [_("There seems to be personal data in it: %(kind)s.") % {"kind": kind} for kind in sorted(kinds)]


def _replaced(found: corrections.Preview) -> list[str]:
    words = _("It takes the place of the prepared answer to “%(question)s”.")
    return [words % {"question": pair.questions[0]} for pair in found.replaces]


def _today(found: corrections.Preview) -> list[str]:
    """Say of each phrasing what it is answered with now, and whether only its very words will find the new answer."""
    said = []
    for each in found.phrasings:
        shown = {"question": each.question, "text": Truncator(each.today).chars(TODAY_CHARS)}
        if each.rung == Rung.NONE:
            said.append(_("“%(question)s” is not answered from our pages today.") % shown)
        else:
            said.append(_("“%(question)s” is answered today with: %(text)s") % shown)
        if each.exact_only:
            said.append(_("“%(question)s” is so short that only these very words will find the answer.") % shown)
    return said
