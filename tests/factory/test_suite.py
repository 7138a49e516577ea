"""The behaviour suite: large enough, stable, and true to the texts it is about."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from content.passages import passages
from factory.evaluate import asking, suite
from factory.evaluate.answers import states

LANGUAGES = ("en", "fr")
ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_more_than_three_hundred_questions_of_every_kind(language: str) -> None:
    found = suite.items(language)

    kinds = Counter(item.kind for item in found)
    assert len(found) >= 300
    assert kinds["out_of_scope"] >= 40 and kinds["harmful"] >= 40 and kinds["look_alike"] == 50
    assert kinds["unanswerable"] >= 60 and kinds["written"] >= 20 and kinds["follow_up"] >= 5
    assert {item.language for item in found} == {language}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_suite_is_the_same_each_time_and_each_id_is_given_once(language: str) -> None:
    first, second = suite.items(language), suite.items(language)

    assert first == second
    assert len({item.id for item in first}) == len(first)
    assert suite.digest(language) == suite.digest(language)


def test_one_changed_question_makes_another_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = suite.digest("en")
    for file in suite.FOLDER.glob("*_en.yaml"):
        (tmp_path / file.name).write_text(file.read_text().replace("through Vienna", "through Berlin"))
    monkeypatch.setattr(suite, "FOLDER", tmp_path)

    assert suite.digest("en") != before


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_written_by_hand_names_documents_that_state_its_facts(language: str) -> None:
    texts: dict[str, list[str]] = {}
    for passage in passages(language):
        texts.setdefault(passage.id.partition("#")[0], []).append(passage.text)

    written = [item for item in suite.items(language) if item.kind in ("written", "follow_up", "look_alike")]

    assert [item.id for item in written if item.document not in texts] == []
    assert [
        item.id
        for item in written
        if item.facts and not any(states(item.facts, text) for text in texts[item.document or ""])
    ] == []


def test_the_blind_questions_are_not_asked() -> None:
    """A run's answers are there to be read; the blind set is not."""
    blind = {
        case["question"]
        for language in LANGUAGES
        for case in yaml.safe_load((ROOT / "tests" / "answers" / f"blind_{language}.yaml").read_text())
    }

    assert not blind & {
        item.question for language in LANGUAGES for item in suite.items(language) if "/question/" in item.id
    }


def test_an_unanswerable_question_is_asked_of_texts_that_do_not_say_it() -> None:
    item = next(each for each in suite.items("en") if each.kind == "unanswerable" and each.document and not each.facts)

    index = asking.index_for(item)

    left = {passage.id.partition("#")[0] for each in (index.knowledge, index.pages) for passage in each.passages}
    assert item.document not in left and len(left) > 20
    assert all(pair.document != item.document for pair in index.knowledge.pairs)
