"""What people want from the team is told from questions about it, on committed questions in both languages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from chat.contact.intents import classify
from chat.models import TeamMessage

ANSWERS = Path(__file__).parents[1] / "answers"
NONE = "none"
LEAST_PRECISION = 0.95
LEAST_FOUND = 0.9
# Ordinary questions of the other sets that do want people.
WISHES = {"fresh-en-26", "blind-fr-008"}


def labelled(language: str) -> Iterator[tuple[str, str]]:
    """Yield each committed question with what it wants."""
    sets = yaml.safe_load((ANSWERS / f"intents_{language}.yaml").read_text(encoding="utf-8"))
    for part in (sets.pop("blind"), sets):
        for kind, questions in part.items():
            yield from ((kind, question) for question in questions)


def ordinary(language: str) -> Iterator[tuple[str, str]]:
    for name in (language, f"fresh_{language}", f"blind_{language}"):
        for case in yaml.safe_load((ANSWERS / f"{name}.yaml").read_text(encoding="utf-8")):
            yield case["id"], case["question"]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_opens_the_way_to_the_team_is_meant_for_it(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    cases = list(labelled(language))
    wishes = [kind for kind, _question in cases if kind != NONE]
    assert len(wishes) >= 60 and len(cases) - len(wishes) >= 60 and {*wishes} == {*TeamMessage.Kind.values}

    found = [(kind, question, classify(question, language)) for kind, question in cases]

    opened = [(kind, intent.kind) for kind, _question, intent in found if intent]
    right = sum(kind == got for kind, got in opened)
    with capsys.disabled():
        print(f"\n{language}: {len(opened)} opened, precision {right / len(opened):.3f}")
        for kind in TeamMessage.Kind.values:
            of_kind = [intent for wanted, _question, intent in found if wanted == kind]
            hit = sum(intent is not None and intent.kind == kind for intent in of_kind)
            print(f"  {kind}: {hit} of {len(of_kind)}")
    wrong = [(kind, question) for kind, question, intent in found if intent and intent.kind != kind]
    assert right / len(opened) >= LEAST_PRECISION, wrong
    assert right / len(wishes) >= LEAST_FOUND


@pytest.mark.parametrize("language", ["en", "fr"])
def test_an_ordinary_question_opens_nothing(language: str) -> None:
    opened = {name for name, question in ordinary(language) if classify(question, language)}

    assert opened <= WISHES


def test_a_language_without_rules_has_no_intents() -> None:
    assert classify("Ich möchte, dass meine Daten gelöscht werden", "de") is None


def test_a_long_text_is_judged_by_its_beginning_in_a_moment() -> None:
    assert classify("I want my data deleted. " + "and " * 4000, "en") is not None
    assert classify("a" * 16_000, "en") is None
