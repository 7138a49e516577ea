"""Splits a passage into its sentences, as they stand."""

import re

# A sentence ends at its mark, closing quotes included, where a capital, digit or opening quote follows. Scripts from
# Hebrew to Korean have no capitals, so there any letter begins a sentence.
_BEGINS = "A-ZÀ-ÖØ-ÞΑ-ΩЀ-Я0-9\u0590-\u1fff\u3040-\uffdc"
_SENTENCE_END = re.compile(rf"(?:(?<=[.!?…؟۔।])|(?<=[.!?…؟۔।][\"”’)\]])|(?<=[.!?…]\s»))\s+(?=[\"“«(\[]?\s?[{_BEGINS}])")
_ABBREVIATION = re.compile(r"(?:\b(?:e\.g|i\.e|etc|cf|vs|Mr|Mrs|Ms|Dr|St|no|No|art|Art|env|p|M|Mme)|\b[A-Z])\.$")


def sentences(text: str) -> list[str]:
    """Return the sentences of ``text``, verbatim and in order."""
    found: list[str] = []
    for piece in _SENTENCE_END.split(text.strip()):
        if found and _ABBREVIATION.search(found[-1]):
            # The white space between was one blank: passages stand on one line.
            found[-1] = f"{found[-1]} {piece}"
        elif piece:
            found.append(piece)
    return found
