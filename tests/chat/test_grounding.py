"""What our pages say about a question, on passages of our own making and on the committed question set."""

import json
import threading

import pytest

from bench import answers as bench
from chat import grounding
from chat.grounding import Indexes, ground, index_for, thresholds
from chat.retrieval import MAX_RANKED, MAX_TERMS, Index, weighted_terms
from chat.words import terms
from content.library import content_digest, languages
from content.passages import Passage

TEXTS = {
    "stop": "A click on stop ends the answer. The model is freed within one second.",
    "queue": "Askers wait in a queue when the model is busy. The place in the queue is shown.",
    "cookies": "The public pages set no cookie. A session cookie serves the staff alone.",
    "licence": "The code is under the Apache licence. Anyone may copy it.",
    "energy": "The energy of an answer is estimated from processor seconds.",
    "languages": "The pages are written in English and French. German is planned for nobody.",
}

PHRASINGS = {"cookies": ("Are you spying on me?", "Do you track my steps?"), "energy": ("Is it green?",)}


PAGES = {
    "posts/harbour#boats": "A green boat lies in the harbour of Brest. Its sail is mended with red thread.",
    "posts/harbour#weather": "Rain is common in winter. The lighthouse keeper writes it down.",
    "posts/bread#flour": "Flour from the mill is weighed in the morning.",
    "posts/bread#oven": "An oven of stone holds its heat until noon.",
    "pages/cookies#more": "A cookie recipe of the staff needs no session. The staff bakes on Friday.",
    "pages/choir#rehearsal": "The choir rehearses under a roof of glass.",
}


@pytest.fixture(scope="module")
def index() -> Index:
    passages = [
        Passage(f"{slug}#text", slug, "en", slug.title(), "In short", f"/knowledge/{slug}/#text", text)
        for slug, text in TEXTS.items()
    ]
    return Index(passages, language="en", synonyms=[["erase", "delete"], ["end", "halt"]])


@pytest.fixture(scope="module")
def whole(index: Index) -> Indexes:
    """The index of a language: the knowledge above, and a page and a post beside it."""
    found = [
        Passage(key, key.partition("#")[0], "en", "Aside", "More", f"/{key}", text, kind=key.partition("/")[0])
        for key, text in PAGES.items()
    ]
    return Indexes(index, Index(found, language="en"))


@pytest.fixture(scope="module")
def known(index: Index) -> Indexes:
    """The index of a language that has knowledge and nothing else."""
    return Indexes(index, Index([], language="en"))


def test_the_best_passage_comes_first_with_its_words_as_they_stand(whole: Indexes) -> None:
    got = ground("Which licence is the code under?", language="en", index=whole)

    assert got.answerable
    assert [source.n for source in got.sources] == list(range(1, len(got.sources) + 1))
    assert got.sources[0].passage.document == "licence"
    assert got.sources[0].best_sentence == "The code is under the Apache licence."
    assert got.sources[0].quote == TEXTS["licence"]


def test_what_no_knowledge_has_is_quoted_from_a_post_with_its_address(whole: Indexes) -> None:
    got = ground("Where does the green boat lie?", language="en", index=whole)

    assert [source.passage.id for source in got.sources] == ["posts/harbour#boats"]
    assert got.sources[0].passage.url == "/posts/harbour#boats"
    assert got.sources[0].best_sentence == "A green boat lies in the harbour of Brest."


def test_knowledge_goes_before_a_page_that_has_the_same_words(whole: Indexes) -> None:
    got = ground("Who gets a session cookie, the staff?", language="en", index=whole)

    assert {source.passage.kind for source in got.sources} == {"knowledge"}
    assert got.sources[0].passage.document == "cookies"


def test_a_page_that_has_much_more_of_the_question_goes_before_knowledge(whole: Indexes) -> None:
    question = "Is the sail of the green boat that lies in the harbour of Brest mended with red thread, or a queue?"

    got = ground(question, language="en", index=whole)

    assert got.sources[0].passage.id == "posts/harbour#boats"


def test_a_page_needs_more_of_the_question_than_knowledge_does() -> None:
    assert all(thresholds(each).pages_answerable > thresholds(each).answerable for each in languages())


def test_a_passage_is_found_by_a_phrasing_that_its_text_does_not_have() -> None:
    passages = [
        Passage(slug, slug, "en", slug.title(), "In short", "/", text, PHRASINGS.get(slug, ()))
        for slug, text in TEXTS.items()
    ]
    index = Index(passages, language="en")

    found = index.rank(weighted_terms("So are you spying on me?", None, index))

    assert [scored.passage.id for scored in found] == ["cookies"]
    assert found[0].coverage == 1.0
    assert found[0].passage.text == TEXTS["cookies"]


def test_the_nearest_phrasing_counts_and_not_their_number(index: Index) -> None:
    many = Passage("many", "many", "en", "Many", "M", "/", "Nothing.", ("a green boat", "a red boat", "a blue boat"))
    one = Passage("one", "one", "en", "One", "O", "/", "Nothing.", ("a yellow boat",))
    boats = Index([*index.passages, many, one], language="en")

    found = boats.rank(weighted_terms("Where is the yellow boat?", None, boats))

    assert [scored.passage.id for scored in found] == ["one", "many"]


@pytest.mark.parametrize(
    "question", ["How tall is the Eiffel tower?", "Hello, thanks!", "", "???", "the of and", "日本語"]
)
def test_a_question_our_pages_do_not_speak_of_has_no_sources(whole: Indexes, question: str) -> None:
    got = ground(question, language="en", index=whole)

    assert not got.answerable
    assert (got.sources, got.verified) == ((), None)


def test_a_short_question_borrows_the_words_of_the_one_before(index: Index, known: Indexes) -> None:
    alone = ground("And when is it freed?", language="en", index=known)
    after = ground("And the place?", previous="Is there a queue for the model?", language="en", index=known)

    assert weighted_terms("And the place?", "Is there a queue?", index) == {"place": 1.0, "queue": 0.5}
    assert alone.sources[0].passage.document == "stop"
    assert after.sources[0].passage.document == "queue"


def test_a_question_of_three_known_words_borrows_nothing(index: Index) -> None:
    assert "queue" not in weighted_terms("session cookie pages", "Is there a queue?", index)


def test_contact_is_told_whatever_the_passages_say(known: Indexes) -> None:
    assert ground("How can I contact you?", language="en", index=known).contact
    assert not ground("Which licence?", language="en", index=known).contact


def test_an_index_without_passages_answers_nothing() -> None:
    nothing = Index([], language="en")

    got = ground("Which licence?", language="en", index=Indexes(nothing, nothing))

    assert (got.answerable, got.sources, got.score) == (False, (), 0.0)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("The deleted chats", "en", ["delet", "chat"]),
        ("Les données effacées", "fr", terms("les donnees effacees", "fr")),
        ("L'œuvre d'aujourd'hui", "fr", terms("l’oeuvre d’aujourd’hui", "fr")),
        ("How long is it?", "en", []),
        ("x" * 41, "en", []),
    ],
)
def test_words_are_compared_without_endings_accents_and_small_words(
    text: str, language: str, expected: list[str]
) -> None:
    assert terms(text, language) == expected


def test_a_relative_of_a_word_is_found_where_the_word_itself_is_unknown(index: Index) -> None:
    assert "licenc" in index.alike("licencing") or index.knows("licencing")
    assert not index.knows("elephant")


def test_a_very_long_question_is_answered_in_time(known: Indexes) -> None:
    question = " ".join(f"word{number}" for number in range(MAX_TERMS * 20)) + " licence"

    got = ground(question, language="en", index=known)

    assert not got.answerable


def test_the_ranking_of_many_passages_is_cut_after_the_best_hundred() -> None:
    texts = [f"The {'red ' * (number % 7)} boat number{number} is in the harbour." for number in range(300)]
    boats = [Passage(f"boats#{at}", "boats", "en", "Boats", "B", "/", text) for at, text in enumerate(texts)]
    index = Index(boats, language="en")

    found = index.rank(weighted_terms("Where is the boat number211?", None, index))

    assert len(found) == MAX_RANKED
    assert found[0].passage.id == "boats#211"


def test_many_threads_share_one_index() -> None:
    seen: list[Indexes] = []
    threads = [threading.Thread(target=lambda: seen.append(index_for("en"))) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 8
    assert len({id(one) for one in seen}) == 1


def test_a_fresh_index_takes_over_when_the_content_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = index_for("fr")

    grounding.renew()
    assert index_for("fr") is before
    monkeypatch.setattr(grounding, "content_digest", lambda: content_digest() + "changed")
    grounding.renew()
    assert index_for("fr") is not before


@pytest.mark.parametrize("language", languages())
def test_the_thresholds_belong_to_the_committed_question_set(language: str) -> None:
    figures = json.loads(grounding.CALIBRATION.read_text(encoding="utf-8"))[language]

    assert figures["set_sha256"] == bench.calibration_digest(language), "run python -m bench.answers --calibrate"
    assert 0 < thresholds(language).answerable < thresholds(language).verified_score <= 1


# What the reported half must hold; the goals stand in the bench, these are the floor under what was reached.
FLOOR = {
    "right passage in three": 0.9,
    "right fact shown": 0.85,
    "does not know, rightly": 0.85,
    "pages: right passage in three": 0.6,
    "pages: right fact shown": 0.3,
}


@pytest.mark.parametrize("language", languages())
def test_the_reported_half_of_the_questions_stays_answered(language: str) -> None:
    figures = {figure.name: figure for figure in bench.measure(language, half="odd").figures}

    assert figures["wrong approved answer"].hits == 0
    assert figures["does not know, wrongly"].share <= 0.1
    assert {name: figures[name].share for name, least in FLOOR.items() if figures[name].share < least} == {}
