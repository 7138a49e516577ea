"""What must be right about a correction before readers may get it, and what its author should look at twice."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing.keys import holds_key
from chat import support
from chat.asks import CONTROL
from chat.language import language_of
from chat.profanity import is_profane
from chat.tree import Node, tree, visible
from chat.words import terms, wording
from content.passages import Passage, passages

MAX_QUESTIONS = 8
MAX_QUESTION_CHARS = 300
MAX_ANSWER_CHARS = 1_000

# A tag or a comment would reach readers as its letters, a picture as its description.
HTML = re.compile(r"<[a-zA-Z/!?]")
PICTURE = re.compile(r"!\[")
LINK = re.compile(r"\]\(")

UNSUPPORTED = {
    "number": gettext_lazy("The answer has a figure that the passage does not have."),
    "date": gettext_lazy("The answer has a date that the passage does not have."),
    "name": gettext_lazy("The answer has a name that the passage does not have."),
    "address": gettext_lazy("The answer has an address that the passage does not have."),
    "words": gettext_lazy("Many words of the answer are not in the passage."),
    "loop": gettext_lazy("The answer repeats itself."),
    "language": gettext_lazy("The answer seems to be in another language."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a correction is refused. ``field`` is language, questions, answer or passage."""

    field: str
    text: str


def tidy(questions: Sequence[str]) -> tuple[str, ...]:
    """Return the phrasings in NFC with single blanks, without empty ones and without two of the same words."""
    plain = [" ".join(unicodedata.normalize("NFC", one).split()) for one in questions]
    return tuple({wording(one) or one: one for one in reversed(plain) if one}.values())[::-1]


def passage_of(id: str, language: str) -> Passage | None:
    """Return a published passage."""
    return next((passage for passage in passages(language) if passage.id == id), None)


def problems(language: str, questions: Sequence[str], answer: str, passage: str) -> list[Problem]:
    """Return why a correction cannot be given to readers, nothing when it can; ``questions`` are tidy."""
    if language not in dict(settings.LANGUAGES):
        return [Problem("language", _("This language is not offered."))]
    found = []
    if not questions:
        found.append(Problem("questions", _("Write the question that the answer is for.")))
    if len(questions) > MAX_QUESTIONS:
        found.append(Problem("questions", _("At most %(most)d phrasings are possible.") % {"most": MAX_QUESTIONS}))
    for number, question in enumerate(questions, start=1):
        if what := _question_problem(question, language):
            found.append(Problem("questions", _("Phrasing %(number)d: %(what)s") % {"number": number, "what": what}))
    if text := _answer_problem(answer):
        found.append(Problem("answer", text))
    if passage_of(passage, language) is None:
        found.append(Problem("passage", _("Choose the passage in this language that proves the answer.")))
    return found


def unsupported(answer: str, passage: Passage) -> list[str]:
    """Return what the answer says and its passage does not, in sentences: to be looked at, not refused."""
    source = [f"{passage.title}\n{passage.heading}\n{passage.text}"]
    return [str(UNSUPPORTED[reason]) for reason in support.check(answer, source, passage.language).reasons]


def _question_problem(question: str, language: str) -> str:
    if len(question) > MAX_QUESTION_CHARS:
        return _("it is longer than %(most)d characters.") % {"most": MAX_QUESTION_CHARS}
    if _hides(question):
        return _("it holds characters that are not text.")
    if not terms(question, language):
        return _("it has no word to find it by.")
    if holds_key(question):
        return _("it holds an API key.")
    # Such a question would never reach this answer.
    if language_of(question, language) != language:
        return _("it reads as another language.")
    if is_profane(question, language):
        return _("the filter for rude words refuses it, so nobody can ask it.")
    return ""


def _answer_problem(answer: str) -> str:
    if not answer.strip():
        return _("Write the answer.")
    if len(answer) > MAX_ANSWER_CHARS:
        return _("The answer is longer than %(most)d characters.") % {"most": MAX_ANSWER_CHARS}
    if _hides(answer):
        return _("The answer holds characters that are not text.")
    if holds_key(answer):
        return _("The answer holds an API key.")
    if HTML.search(answer) or PICTURE.search(answer):
        return _("HTML and pictures are shown as plain signs: leave them out.")
    if len(LINK.findall(answer)) != _links(tree(answer)):
        return _("A link must lead to a page of this site or to an https address.")
    return ""


def _hides(text: str) -> bool:
    return bool(CONTROL.search(text)) or visible(text) != text


def _links(nodes: Sequence[Node]) -> int:
    return sum((node[0] == "a") + _links(node[2:]) for node in nodes if isinstance(node, list))
