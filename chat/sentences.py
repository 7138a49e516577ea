"""Splits a passage into its sentences, as they stand."""

import re

# A sentence ends at its mark, closing quotes included, where a capital, digit or opening quote follows.
_SENTENCE_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"”’)\]])|(?<=[.!?…]\s»))\s+(?=[\"“«(\[]?\s?[A-ZÀ-ÖØ-Þ0-9])")
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
