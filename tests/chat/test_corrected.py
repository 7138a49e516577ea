"""Which question gets a correction, and which keeps the answer of a file: on texts of our own making."""

import pytest

from chat import grounding
from chat.grounding import Indexes, ground, index_for
from chat.models import Correction
from chat.retrieval import Index
from chat.verified import Corrected, nearest_pair
from chat.words import turns_of
from content.passages import ApprovedPair, Passage

TEXTS = {
    "chats": ("How long does the site keep my chats?", "The site stores no chat of a visitor and keeps none."),
    "queue": ("What is the queue for askers?", "Askers wait in a queue when the model is busy."),
    "energy": ("How much energy does an answer use?", "The energy of an answer is estimated from processor seconds."),
}


def corrected(*pairs: tuple[list[str], str]) -> tuple[Index, Corrected]:
    found = [Passage(f"{key}#p", key, "en", key, "About", f"/{key}/#p", text) for key, (_, text) in TEXTS.items()]
    files = [
        ApprovedPair((ask, f"Tell me about {key} and its reasons today"), "Yes.", f"{key}#p", "/", key, "en")
        for key, (ask, _) in TEXTS.items()
    ]
    written = [
        Correction(pk=number, language="en", questions=asks, answer=answer, passage="chats#p")
        for number, (asks, answer) in enumerate(pairs, start=1)
    ]
    index = Index(found, language="en", pairs=files)
    return index, Corrected(written, knowledge=index)


def test_exact_words_of_a_correction_win_over_a_files_pair_and_the_newest_over_older_ones() -> None:
    ask = TEXTS["chats"][0]
    index, mine = corrected(([ask], "Old."), ([ask.upper().rstrip("?")], "New."))

    match = nearest_pair(ask, index, mine)

    assert match and (match.pair.answer, match.margin) == ("New.", 1.0)


def test_a_files_pair_that_asks_the_same_is_replaced_in_all_its_wordings() -> None:
    index, mine = corrected((["How long would your site keep our chats, please?"], "Seven days."))

    same = nearest_pair("Tell me about chats and its reasons today", index, mine)
    near = nearest_pair("So how long does a site keep chats?", index, mine)
    other = nearest_pair("How much energy does an answer use?", index, mine)

    assert [pair.document for pair in mine.replaced] == ["chats"]
    assert same and same.pair.answer == "Seven days."
    assert near and (near.pair.answer, near.score) == ("Seven days.", 1.0) and near.margin > 0.3
    assert other and other.pair.answer == "Yes."


def test_a_files_pair_that_asks_something_else_keeps_its_answer_and_counts_against_the_margin() -> None:
    index, mine = corrected((["How long does the site keep my chats in the processor?"], "Not at all."))

    theirs = nearest_pair(TEXTS["chats"][0], index, mine)
    between = nearest_pair("How long does a site keep chats with one processor?", index, mine)

    assert mine.replaced == {}
    assert theirs and theirs.pair.answer == "Yes."
    assert between and between.pair.answer == "Not at all." and between.margin < 0.3


@pytest.mark.parametrize(
    "other",
    [
        "How long does the site keep my chats in a queue?",
        "How long does the site keep my chats after a queue?",
        "How long doesn’t the site keep my chats without a queue?",
    ],
)
def test_a_question_turned_around_is_another_and_replaces_no_file(other: str) -> None:
    index, mine = corrected((["How long does the site keep my chats without a queue?"], "A week."))

    same = nearest_pair("So how long does a site keep chats without the queue?", index, mine)
    turned = nearest_pair(other, index, mine)
    _index, shorter = corrected((["How long does the site not keep my chats?"], "Never."))

    assert same and (same.pair.answer, same.score) == ("A week.", 1.0)
    assert turned is None or turned.pair.answer != "A week." or turned.score < 0.8
    assert shorter.replaced == {}


@pytest.mark.parametrize(
    ("language", "question", "turns"),
    [
        ("en", "Can’t I chat without an account?", {"not", "without"}),
        ("en", "Note that I noted another knot.", set()),
        ("fr", "N’est-ce pas possible sans compte après coup ?", {"not", "without", "after"}),
        ("fr", "Quel est le pasteur de la neige ?", set()),
        ("de", "Geht es nicht ohne?", set()),
    ],
)
def test_the_words_that_turn_a_question_around(language: str, question: str, turns: set[str]) -> None:
    assert turns_of(question, language) == turns


def test_few_words_are_found_by_themselves_alone() -> None:
    index, mine = corrected((["Chats?"], "Seven days."))

    exact, near = nearest_pair("chats", index, mine), nearest_pair("Your chats?", index, mine)

    assert exact and exact.pair.answer == "Seven days."
    assert near is None or near.pair.answer == "Yes."


def test_a_correction_may_rest_on_a_page() -> None:
    index, _none = corrected()
    page = Passage("pages/roof#noon", "roof", "en", "Roof", "Noon", "/roof/#noon", "It is read at noon.", kind="pages")
    wanted = Correction(pk=1, language="en", questions=["When is the roof read?"], answer="Noon.", passage=page.id)
    indexes = Indexes(index, Index([page], language="en"))

    found = ground("When is the roof read?", language="en", index=grounding.with_corrections(indexes, [wanted]))

    assert found.verified and found.sources[0].passage == page


def test_without_corrections_nothing_is_matched_otherwise() -> None:
    assert grounding.with_corrections(index_for("en"), []).corrected is None
