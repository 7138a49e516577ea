"""Recognises what somebody wants from the people behind the site: rules first, then words like those of examples.

A question about a subject ("How do you handle privacy requests?") is none: our pages answer it. What is wanted must be
said as such: told, asked of us, demanded. Measured with tests/answers/intents_*.yaml (docs/contact.md).
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from chat.contact.asking import asks, folded, of_rules
from chat.contact.wishes import is_contact
from chat.models import TeamMessage
from chat.retrieval import Index, weighted_terms
from content.passages import Passage

EXAMPLES = Path(__file__).with_name("intents.yaml")
NONE = "none"

# How near the nearest example must be, and how much nearer than the nearest one that is none. Set by hand, on the
# strict side: no ordinary question of tests/answers and none in tests/answers/intents_*.yaml is taken for a wish. Eight
# examples of each kind are too few for more: the rules carry the result (docs/contact.md).
LEAST_STRENGTH = 0.3
LEAST_LEAD = 0.1

# One word that is like an example says nothing about the sentence it stands in.
LEAST_WORDS = 3

# Longer than this is no question with a wish but a text; its beginning says what it is.
MAX_CHARS = 600


@dataclass(frozen=True, slots=True)
class Intent:
    """What is wanted; ``by`` is how it was recognised: *rule*, *wish* to reach people, or *words*."""

    kind: str
    by: str


def classify(question: str, language: str) -> Intent | None:
    """Return what ``question`` wants from the team, None where it wants an answer only.

    None in a language without rules and examples.
    """
    if language not in _examples():
        return None
    text = folded(question[:MAX_CHARS])
    if kind := of_rules(text, language):
        return Intent(kind, "rule")
    if is_contact(question[:MAX_CHARS], language):
        return Intent(_nearest(text, language, least=LEAST_STRENGTH) or TeamMessage.Kind.OTHER.value, "wish")
    if asks(text, language) and (kind := _nearest(text, language, least=LEAST_STRENGTH)):
        return Intent(kind, "words")
    return None


def _nearest(text: str, language: str, *, least: float) -> str | None:
    """Return the kind of the nearest example, None where none is near or one that is none is about as near."""
    index = _index(language)
    asked = weighted_terms(text, None, index)
    if len(asked) < LEAST_WORDS:
        return None
    ranked = index.rank(asked)
    best = next((each for each in ranked if each.passage.document != NONE), None)
    if best is None or best.strength * best.coverage < least:
        return None
    other = next((each for each in ranked if each.passage.document == NONE), None)
    if other is not None and other.strength * other.coverage + LEAST_LEAD > best.strength * best.coverage:
        return None
    return best.passage.document


@cache
def _index(language: str) -> Index:
    return Index(
        [
            Passage(f"{kind}#{n}", kind, language, title="", heading="", url="", text=example)
            for kind, examples in _examples()[language].items()
            for n, example in enumerate(examples)
        ],
        language=language,
    )


@cache
def _examples() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))
    known = {*TeamMessage.Kind.values, NONE}
    for language, kinds in found.items():
        unknown = kinds.keys() - known
        if unknown:
            raise ValueError(f"{EXAMPLES.name}: {language} has unknown kinds {sorted(unknown)}")
    return found
