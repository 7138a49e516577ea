"""Tells the language of a short text by its small words and its letters."""

import re
from collections.abc import Mapping
from functools import cache

from django.conf import settings

from chat.words import word_set

_SMALL_WORDS = {
    "en": word_set(
        """the a an and or of to in is are was do does did how what when where which who why can could will would
        should i you my your it its this that there with without for from not on at by be have has if about long much
        many me we they please"""
    ),
    "fr": word_set(
        """le la les un une des du de et ou au aux est sont etait était que qui quoi quel quelle quels quelles comment
        pourquoi combien où quand je tu il elle on nous vous ils mon ma mes votre vos ce cette ces dans avec sans pour
        par sur pas ne ni si est-ce puis-je peut peux faut y en se son sa ses leur plus bonjour merci à"""
    ),
}
_LETTERS = {"en": frozenset(""), "fr": frozenset("àâæçéèêëîïôœùûÿ")}
_ELISION = re.compile(r"\b(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quelqu)['’](?=\w)")


def language_of(text: str, default: str) -> str:
    """Return the language of ``text``; ``default`` where the signs are few or point both ways.

    A reader of a language whose small words nobody has written down is taken to write in it: "was" is German too.
    """
    if default not in _small_words():
        return default
    lowered = text.lower()
    found = re.findall(r"[^\W\d_]+(?:-[^\W\d_]+)*", _ELISION.sub(" ", lowered))
    scores = {language: float(sum(word in small for word in found)) for language, small in _small_words().items()}
    for language, letters in _LETTERS.items():
        # One accent may be a loan word (café), so it weighs like one small word, at most like two.
        scores[language] += min(2, sum(letter in letters for letter in lowered))
    scores["fr"] += len(_ELISION.findall(lowered))
    ranked = sorted(scores, key=lambda language: -scores[language])
    lead = scores[ranked[0]] - scores[ranked[1]]
    return ranked[0] if lead >= 1 and scores[ranked[0]] >= 1.5 * scores[ranked[1]] else default


@cache
def _small_words() -> Mapping[str, frozenset[str]]:
    """Return the small words of each language that has some; a further language brings its own in language.yaml."""
    others = {
        code: word_set(language.facts.small_words.lower())
        for code, language in settings.SITE_LANGUAGES.items()
        if language.facts.small_words and code not in _SMALL_WORDS
    }
    return {**_SMALL_WORDS, **others}
