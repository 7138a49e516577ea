"""What looks like somebody's data is found, whatever it is wrapped in, and nothing of it survives masking."""

import time

import pytest

from billing import keys
from chat.moderation.personal_data import Kind, found, masked


@pytest.mark.parametrize(
    ("text", "kind", "rest"),
    [
        ("Write to alice@example.org, please.", Kind.EMAIL, "Write to [EMAIL], please."),
        ("alice (at) example.org", Kind.EMAIL, "[EMAIL]"),
        ("ali\u200bce\uff20example.org", Kind.EMAIL, "[EMAIL]"),
        ("Ring +33 6 12 34 56 78 tonight", Kind.PHONE, "Ring [PHONE] tonight"),
        ("Appelez le 06.12.34.56.78", Kind.PHONE, "Appelez le [PHONE]"),
        ("(212) 555-0134", Kind.PHONE, "[PHONE]"),
        ("pay DE89 3704 0044 0532 0130 00 NOW", Kind.IBAN, "pay [IBAN] NOW"),
        ("FR1420041010050500013M02606", Kind.IBAN, "[IBAN]"),
        ("card 4111 1111 1111 1111.", Kind.CARD, "card [CARD]."),
        ("from 203.0.113.9 at noon", Kind.IP, "from [IP] at noon"),
        ("from 2001:db8::8a2e:370:7334", Kind.IP, "from [IP]"),
        ("token sk-abcdefghij0123456789", Kind.KEY, "token [KEY]"),
        ("756 1234 5678 97 1", Kind.DIGITS, "[DIGITS]"),
        ("\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19\uff10", Kind.DIGITS, "[DIGITS]"),
    ],
)
def test_a_pattern_is_found_and_masked(text: str, kind: Kind, rest: str) -> None:
    assert [pattern.kind for pattern in found(text)] == [kind]
    assert masked(text) == rest
    assert masked(rest) == rest


def test_a_key_of_ours_is_found_wherever_it_stands() -> None:
    key = keys.new_text()

    assert masked(f"My key is {key}!") == "My key is [KEY]!"


@pytest.mark.parametrize(
    "text",
    [
        "What is the limit of 20 questions in 15 minutes?",
        "A model of 135 000 000 parameters, since 2026-11-21.",
        "Version 3.11 of 01/02/2026 at 12:30:45, 4,096 tokens",
        "Qu’est-ce qu’un jeton ?",
    ],
)
def test_ordinary_words_and_figures_are_left_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("text", ["a" * 16_384, "1 " * 8_192, "a@" * 8_192, "Aa1+" * 4_096, ":" * 16_384, "é" * 16_384])
def test_a_long_text_is_looked_through_in_no_time(text: str) -> None:
    started = time.perf_counter()
    found(text)

    assert time.perf_counter() - started < 2
