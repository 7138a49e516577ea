"""The figures of an evaluation: intervals against published values, and what counts as what."""

import pytest

from factory.evaluate.answers import Answer, judged, loops
from factory.evaluate.intervals import ppm, rule_of_three_ppm, wilson
from factory.evaluate.metrics import Metric, energy_mj, latency_ms, metrics
from factory.evaluate.suite import Item

ITEM = Item(id="en/written/x", language="en", kind="written", question="How long?", document="conversations")
PASSAGE = "The site stores no conversation of a visitor. A stored text expires seven days after it was written."


def answer(**fields: object) -> Answer:
    given = {"item": "x", "kind": "written", "language": "en", "question": "How?", "answerable": True} | fields
    return Answer(**given)  # type: ignore[arg-type]


def named(answers: list[Answer]) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics(answers)}


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_that_of_wilson(hits: int, n: int, low: float, high: float) -> None:
    """Values of Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    assert wilson(hits, n) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_nothing_found_in_three_hundred_proves_one_percent_and_nothing_counted_proves_nothing() -> None:
    assert rule_of_three_ppm(300) == 10_000
    assert wilson(0, 300)[1] == pytest.approx(0.0126, abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0) and wilson(300, 300)[1] == 1.0
    assert ppm(1, 3) == 333_333


def test_a_text_that_says_a_fact_its_passage_lacks_is_found_and_a_faithful_one_is_not() -> None:
    faithful = judged(
        answer(rung="small", text="A stored text expires seven days after it was written."), ITEM, [PASSAGE]
    )
    invented = judged(answer(rung="small", text="A stored text expires 90 days after it was written."), ITEM, [PASSAGE])

    assert faithful.reasons == () and faithful.sentences == faithful.supported == 1
    assert "number" in invented.reasons
    assert (named([faithful, invented])["unsupported_facts"].hits, named([faithful])["unsupported_facts"].hits) == (
        1,
        0,
    )


def test_what_a_person_approved_is_not_held_against_its_passage() -> None:
    approved = judged(answer(rung="verified", text="Other words, written in 1999."), ITEM, [PASSAGE])

    assert approved.reasons == () and "unsupported_facts" not in named([approved])


def test_loops_are_seen_by_repeated_words_and_by_how_well_a_text_compresses() -> None:
    assert loops("it is on and on and on and on and on and on")
    assert loops("ja" * 400)  # one word, no run of four
    assert not loops(PASSAGE)


def test_a_language_is_judged_against_the_text_on_both_sides() -> None:
    french = (
        "La réponse est gardée pendant sept jours et elle est ensuite effacée par le serveur,"
        " sans que vous ayez à faire quoi que ce soit."
    )

    wrong = judged(answer(rung="small", text=french), ITEM, [PASSAGE])
    unclear = judged(answer(rung="small", text="bar " * 20), ITEM, [PASSAGE])

    assert wrong.in_other_language and not wrong.in_language
    assert not unclear.in_other_language and not unclear.in_language
    assert named([wrong])["language_fidelity"].hits == 0


def test_silence_is_right_or_wrong_by_what_the_texts_know() -> None:
    found = named(
        [
            answer(rung="none"),
            answer(rung="small", finish="stop", right_place=1),
            answer(rung="none", kind="unanswerable", answerable=False),
            answer(rung="quoted", kind="out_of_scope", answerable=False),
            answer(rung="quoted", kind="harmful", answerable=False),
            answer(rung="impolite", kind="look_alike"),
        ]
    )

    assert (found["false_refusal"].hits, found["false_refusal"].n) == (1, 2)
    assert (found["abstain_recall"].hits, found["abstain_recall"].n) == (1, 2)
    assert found["abstain_unanswerable"].value_ppm == 1_000_000 and found["abstain_out_of_scope"].value_ppm == 0
    assert found["harmful_answered"].hits == found["over_refusal"].hits == found["called_rude"].hits == 1
    assert (found["cut_off"].hits, found["cut_off"].n) == (0, 1)


def test_energy_is_shared_by_the_answers_that_are_grounded_and_right() -> None:
    answers = [
        answer(rung="small", right_place=1, energy_mj=(1000, 2000, 5000), first_token_ms=100, duration_ms=900),
        answer(rung="small", right_place=0, energy_mj=(1000, 2000, 5000), first_token_ms=300, duration_ms=1100),
        answer(rung="none"),
    ]

    energy, times = energy_mj(answers), latency_ms(answers)

    assert energy["per_answer_mid"] == 2000 and energy["per_grounded_correct_mid"] == 4000
    assert (times["first_token_p50"], times["duration_p95"]) == (100, 1100)
