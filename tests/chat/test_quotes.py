"""Quotes are sentences of the passage as they stand; the beginning of one is never the whole of it."""

import pytest

from chat.quotes import begin_with, quote
from chat.retrieval import Index, weighted_terms
from chat.sentences import sentences
from content.passages import Passage

TEXT = (
    "The server keeps no text. A running answer stays in memory. Redis never writes to the disk. "
    "The buffer is erased 60 seconds after the end."
)


def index(text: str = TEXT) -> Index:
    passage = Passage("memory#buffer", "memory", "en", "Memory", "The buffer", "/knowledge/memory/#buffer", text)
    others = [
        Passage(f"{word}#place", word, "en", word, "A place", f"/knowledge/{word}/#place", f"About {word} only.")
        for word in ("queues", "cookies", "languages", "licences")
    ]
    return Index([passage, *others], language="en", synonyms=[["erase", "delete"]])


def quoted(question: str, *, wants_figure: bool = False):
    return quote(TEXT, weighted_terms(question, None, index()), index(), wants_figure=wants_figure)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It has 3.5 parts. So does Python 3.11. End.", ["It has 3.5 parts.", "So does Python 3.11.", "End."]),
        ("Formats, e.g. Markdown, are read. Next.", ["Formats, e.g. Markdown, are read.", "Next."]),
        ("Mr. Smith asks. See art. 50 of the act.", ["Mr. Smith asks.", "See art. 50 of the act."]),
        ("« C'est non. » Puis oui.", ["« C'est non. »", "Puis oui."]),
        ("Il répond. À la fin, rien. Étrange.", ["Il répond.", "À la fin, rien.", "Étrange."]),
        ("Open localhost:8000/health. Done.", ["Open localhost:8000/health.", "Done."]),
        ("no capital. after the dot", ["no capital. after the dot"]),
        ("", []),
    ],
)
def test_sentences_are_cut_where_they_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_neighbouring_sentences_are_joined_as_they_stand() -> None:
    assert quoted("does a running answer stay with redis on disk").text == (
        "A running answer stays in memory. Redis never writes to the disk."
    )


def test_a_gap_between_two_sentences_shows_in_the_passages_order() -> None:
    found = quoted("is the buffer erased, does the server keep text")

    assert found.text == "The server keeps no text. … The buffer is erased 60 seconds after the end."


def test_a_synonym_finds_the_sentence() -> None:
    assert quoted("When is it deleted?").best_sentence == "The buffer is erased 60 seconds after the end."


def test_a_question_for_a_figure_prefers_a_sentence_that_has_one() -> None:
    assert "60 seconds" not in quoted("memory of redis").text
    assert "60 seconds" in quoted("memory", wants_figure=True).text


def test_every_part_of_a_quote_stands_in_the_passage() -> None:
    for question in ("disk", "memory text", "nothing of the kind", ""):
        assert all(part in TEXT for part in quoted(question).text.split(" … "))


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("The buffer is erased sixty seconds after the end.", "The buffer is erased sixty seconds"),
        ("It keeps nothing at all.", "It keeps nothing"),
        ("Nothing is kept.", "Nothing is"),
        ("Two words.", "Two"),
        ("Never.", ""),
        ("", ""),
        ("Une réponse en compte environ 17 000 par jour.", "Une réponse en compte environ"),
        ("Une réponse en compte environ 17\u00a0000 par jour.", "Une réponse en compte environ"),
        ("In one day it handles 12 questions at most.", "In one day it handles 12"),
    ],
)
def test_the_beginning_is_never_the_whole_and_cuts_no_number(sentence: str, expected: str) -> None:
    assert begin_with(sentence) == expected
