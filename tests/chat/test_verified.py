"""An approved answer is given to its own question, and to no other that looks like it."""

import pytest

from bench.answers import cases
from chat.grounding import ground
from chat.retrieval import Index
from chat.verified import nearest_pair
from chat.words import kind_of_question
from content.passages import ApprovedPair, Passage, approved_pairs

TOPICS = {
    "chats": ("How long do you keep my chats?", "The site stores no chat of a visitor and keeps no conversation."),
    "queue": ("What is the queue?", "Askers wait in a queue when the model is busy."),
    "energy": ("How much energy does an answer use?", "The energy of an answer is estimated from processor seconds."),
    "cookies": ("Do you use cookies?", "The public pages set no cookie."),
    "licence": ("Which licence does the code have?", "The code is under the Apache licence."),
    "store": ("Where does the store live?", "Redis holds text in memory."),
}


def index() -> Index:
    passages = [Passage(f"{k}#p", k, "en", k, "About", f"/knowledge/{k}/#p", text) for k, (_, text) in TOPICS.items()]
    pairs = [ApprovedPair((ask,), "Yes.", f"{k}#p", "/", k, "en") for k, (ask, _) in TOPICS.items()]
    return Index(passages, language="en", pairs=pairs, synonyms=[["keep", "store"], ["chat", "conversation"]])


@pytest.mark.parametrize(
    "question", ["How long do you keep my chats?", "how long do you keep my chat", "So how long do you keep our chats?"]
)
def test_the_same_question_in_other_small_words_is_clear(question: str) -> None:
    match = nearest_pair(question, index())

    assert match
    assert (match.pair.document, match.score) == ("chats", 1.0)
    assert match.margin > 0.3


@pytest.mark.parametrize(
    ("question", "nearest"),
    [
        ("How long do you keep my chats in Redis?", "chats"),
        ("How big is the queue?", "queue"),
        ("How much energy does training use?", "energy"),
        ("Do you bake cookies with chocolate?", "cookies"),
    ],
)
def test_a_near_miss_is_nearest_but_not_clear(question: str, nearest: str) -> None:
    match = nearest_pair(question, index())

    assert match
    assert match.pair.document == nearest
    assert match.score < 0.9


def test_a_question_without_a_shared_word_has_no_pair() -> None:
    assert nearest_pair("What is the capital of Australia?", index()) is None
    assert nearest_pair("", index()) is None


@pytest.mark.parametrize(
    ("question", "language", "kind"),
    [
        ("How many questions may I ask?", "en", "how many"),
        ("Why do you keep chats?", "en", "why"),
        ("What does it mean when it says so?", "en", ""),
        ("Combien de temps gardez-vous mes échanges ?", "fr", "combien de temps"),
        ("Où est le journal ?", "fr", "ou-ca"),
        ("Anglais ou français ?", "fr", ""),
    ],
)
def test_the_kind_of_a_question_is_told(question: str, language: str, kind: str) -> None:
    assert kind_of_question(question, language) == kind


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_near_miss_of_the_committed_set_gets_an_approved_answer(language: str) -> None:
    near_misses = [case for case in cases(language) if case.kind == "near_miss"]

    assert near_misses
    assert [case.id for case in near_misses if ground(case.question, language=language).verified] == []


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_phrasing_of_our_own_pairs_gets_its_answer(language: str) -> None:
    given = [(pair, ask, ground(ask, language=language)) for pair in approved_pairs(language) for ask in pair.questions]

    assert [ask for pair, ask, got in given if not got.verified or got.verified.answer != pair.answer] == []
    assert all(got.sources[0].passage.id == pair.passage for pair, _ask, got in given if got.verified)
