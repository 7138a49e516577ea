"""The check finds what the passages do not say, and lets pass what they do."""

import pytest

from chat.numbers import date_spans, numbers
from chat.support import check

EN = (
    "The buffer with the text is erased 60 seconds after the answer ends. Redis holds the buffer in memory and never "
    "saves the text to disk. A visitor may ask 20 questions in 15 minutes. The rule was changed on 21 November 2026. "
    "Write to help@wagmi.test or open https://wagmi.test/contact."
)
FR = (
    "Le tampon est effacé soixante secondes après la fin de la réponse. Un visiteur peut poser vingt questions en "
    "15 minutes. La règle date du 21 novembre 2026. Redis garde le tampon en mémoire, jamais sur le disque."
)


@pytest.mark.parametrize(
    ("language", "text", "reasons"),
    [
        ("en", "The buffer is erased 60 seconds after the answer ends.", ()),
        ("en", "The buffer is erased sixty seconds after the answer ends.", ()),
        ("en", "A visitor may ask twenty questions in 15 minutes.", ()),
        ("en", "Redis never saves the text to disk.", ()),
        ("en", "The rule was changed on November 21, 2026.", ()),
        ("en", "The rule was changed on 2026-11-21.", ()),
        ("en", "Write to help@wagmi.test.", ()),
        ("en", "The buffer is erased 90 seconds after the answer ends.", ("number",)),
        ("en", "The buffer is erased ninety seconds after the answer ends.", ("number",)),
        ("en", "A visitor may ask 2,000 questions in 15 minutes.", ("number",)),
        ("en", "The rule was changed on 22 November 2026.", ("date",)),
        ("en", "The rule was changed on 21 December 2026.", ("date",)),
        ("en", "The rule was changed in March 2026.", ("date",)),
        ("en", "The buffer in memory is erased by Oracle after the answer ends.", ("name",)),
        ("en", "The buffer is erased after the answer ends, NASA saves the text to disk.", ("name",)),
        ("en", "Write to root@evil.example or open https://wagmi.test/contact.", ("address",)),
        ("en", "Open https://wagmi.test/other.", ("address",)),
        ("en", "Penguins live happily on antarctic icebergs.", ("words",)),
        ("en", "Yes.", ("words",)),
        ("en", "", ("words",)),
        ("en", "The buffer is erased after the answer ends. " * 4, ("loop",)),
        ("en", "Le tampon est en mémoire et ne quitte pas la mémoire du disque.", ("words", "language")),
        ("fr", "Le tampon est effacé 60 secondes après la fin de la réponse.", ()),
        ("fr", "Un visiteur peut poser 20 questions en quinze minutes.", ()),
        ("fr", "La règle date du 21 novembre 2026.", ()),
        ("fr", "Le tampon est effacé quatre-vingt-dix secondes après la fin de la réponse.", ("number",)),
        ("fr", "La règle date du 1er novembre 2026.", ("date",)),
        ("fr", "Le tampon est en mémoire, Oracle ne garde jamais la réponse sur le disque.", ("name",)),
        ("fr", "The buffer with the text is erased after the answer ends.", ("words", "language")),
    ],
)
def test_what_the_passage_lacks_is_found(language: str, text: str, reasons: tuple[str, ...]) -> None:
    found = check(text, [EN if language == "en" else FR], language)

    assert found.passed is (not reasons)
    # In a short sentence one foreign name is also one word too many.
    assert set(reasons) <= set(found.reasons) <= {*reasons, "words"}


def test_a_figure_that_only_the_question_names_does_not_pass() -> None:
    text = "The buffer is erased 90 seconds after the answer ends."

    assert check(text, [EN], "en").reasons == ("number",)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("1,500 and 1.50 and 007", "en", {"1500", "1.5", "7"}),
        ("17\u00a0000 et 17\u202f500 et 1,5", "fr", {"17000", "17500", "1.5"}),
        ("version 3.11.7", "en", {"3.11.7"}),
        ("two hundred and five", "en", {"205"}),
        ("twenty-one, forty two and three thousand", "en", {"21", "42", "3000"}),
        ("vingt et un", "fr", {"21"}),
        ("quatre-vingt-dix-sept", "fr", {"97"}),
        ("soixante-quinze", "fr", {"75"}),
        ("deux cent mille", "fr", {"200000"}),
        ("one answer, a place", "en", set()),
        ("une réponse", "fr", set()),
    ],
)
def test_numbers_have_one_spelling(text: str, language: str, expected: set[str]) -> None:
    assert numbers(text, language) == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("21 November 2026", "en", [(2026, 11, 21)]),
        ("November 21st, 2026", "en", [(2026, 11, 21)]),
        ("2026-11-21", "en", [(2026, 11, 21)]),
        ("in November 2026", "en", [(2026, 11, 0)]),
        ("on the 3rd of May", "en", [(0, 5, 3)]),
        ("you may ask 20 questions", "en", []),
        ("le 1er août 2026", "fr", [(2026, 8, 1)]),
        ("en août 2026", "fr", [(2026, 8, 0)]),
    ],
)
def test_dates_are_read_with_their_month(text: str, language: str, expected: list[tuple[int, ...]]) -> None:
    assert [date for _span, date in date_spans(text, language)] == expected
