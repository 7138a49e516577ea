"""Reads the numbers and dates of a text, in figures and in words, so that two spellings of one value are equal."""

import re
from decimal import Decimal
from itertools import pairwise

from chat.words import fold, stem


def _numbered(words: str, first: int = 1, step: int = 1) -> dict[str, int]:
    return {word: first + step * at for at, word in enumerate(words.split())}


# "one", "un" and "une" are left out: they are articles far more often than figures.
_UNITS = {
    "en": _numbered(
        """two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
        eighteen nineteen""",
        first=2,
    ),
    "fr": _numbered("deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize", first=2),
}
_TENS = {
    "en": _numbered("twenty thirty forty fifty sixty seventy eighty ninety", first=20, step=10),
    "fr": _numbered("vingt trente quarante cinquante soixante septante huitante nonante", first=20, step=10)
    | {"vingts": 20},
}
_SCALES = {
    "en": {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9},
    "fr": {"cent": 100, "cents": 100, "mille": 1000, "million": 10**6, "millions": 10**6, "milliard": 10**9},
}
_MONTHS = {
    "en": _numbered("january february march april may june july august september october november december"),
    "fr": _numbered("janvier fevrier mars avril mai juin juillet aout septembre octobre novembre decembre"),
}
_FIGURES = re.compile(r"\d{1,3}(?:[,\u00a0\u202f ]\d{3})+(?:[.,]\d+)?(?!\d)|\d+(?:[.,]\d+)*")
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")


def numbers(text: str, language: str) -> set[str]:
    """Return every number in ``text`` in one spelling: no leading zeros, a point for decimals ("1.5", "16384")."""
    found = {_plain(figures) for figures in _FIGURES.findall(text)}
    return found | {str(value) for value in _written_out(fold(text), language)}


def is_number_word(word: str, language: str) -> bool:
    """Return whether a folded word, or the stem of one, writes out a number."""
    written = (each for table in (_UNITS, _TENS, _SCALES) for each in table.get(language, ()))
    return any(word in (each, stem(each, language)) for each in written)


def date_spans(text: str, language: str) -> list[tuple[tuple[int, int], tuple[int, ...]]]:
    """Return the place and value of each date that names its month: (year or 0, month, day or 0), or an ISO date."""
    found = [(match.span(), tuple(int(part) for part in match.groups())) for match in _ISO_DATE.finditer(text)]
    months = _MONTHS.get(language, _MONTHS["en"])
    # Folding takes accents off without moving a letter, except for ligatures, which month names do not have.
    lowered = "".join(fold(letter)[:1] or letter for letter in text)
    month = "|".join(months)
    day = r"(\d{1,2})(?:st|nd|rd|th|er)?"
    patterns = (
        rf"\b{day}\s+(?:of\s+)?({month})\b(?:,?\s+(\d{{4}}))?",
        rf"\b({month})\s+{day}\b(?!\d)(?:,?\s+(\d{{4}}))?",
        rf"\b()({month}),?\s+(\d{{4}})\b",
    )
    for number, pattern in enumerate(patterns):
        for match in re.finditer(pattern, lowered):
            first, second, year = match.groups()
            name, figure = (first, second) if number == 1 else (second, first)
            if any(start < match.end() and match.start() < end for (start, end), _date in found):
                continue
            found.append((match.span(), (int(year or 0), months[name], int(figure or 0))))
    return found


def _plain(figures: str) -> str:
    figures = re.sub(r"(?<=\d)[,\u00a0\u202f ](?=\d{3}(?!\d))", "", figures).replace(",", ".")
    if figures.count(".") > 1:
        return figures  # a version or an address: its parts belong together
    value = Decimal(figures).normalize()
    return f"{value:f}"


def _written_out(text: str, language: str) -> list[int]:
    """Return the values of the runs of number words in folded ``text``: "vingt et un", "two hundred and five"."""
    units, tens, scales = _UNITS.get(language, {}), _TENS.get(language, {}), _SCALES.get(language, {})
    ones = {"one": 1, "un": 1, "une": 1}
    found: list[int] = []
    run: list[str] = []
    # Punctuation ends a number, a hyphen does not; the empty word ends the last one.
    words = [*re.findall(r"[^\W_]+|[^\w\s-]", text), "", ""]
    for word, following in pairwise(words):
        if word in units or word in tens or word in scales or (run and word in ones):
            run.append(word)
        elif run and not _joins(word, run[-1], following, scales):
            found.append(_value(run, units | ones, tens, scales))
            run = []
    return found


def _joins(word: str, last: str, following: str, scales: dict[str, int]) -> bool:
    """Return whether an "and" belongs to the number: "hundred and five", "vingt et un", not "two and three"."""
    return (word == "and" and last in scales) or (word == "et" and following in ("un", "une", "onze"))


def _value(run: list[str], units: dict[str, int], tens: dict[str, int], scales: dict[str, int]) -> int:
    total = current = 0
    for word in run:
        if word in ("vingt", "vingts") and current % 100 == 4:
            current += 76  # quatre-vingt
        elif word in units or word in tens:
            current += units.get(word, 0) + tens.get(word, 0)
        elif scales.get(word) == 100:
            current = max(current, 1) * 100
        elif word in scales:
            total += max(current, 1) * scales[word]
            current = 0
    return total + current
