"""Refuses rude questions before they cost anything; knows which rude words are innocent in which language."""

import re
from functools import lru_cache

from django.conf import settings
from glin_profanity import Filter
from glin_profanity.data.dictionary import dictionary

# Innocent in either language where people ask about a technical site: placeholders, tools, units, first names, ways to
# end a process, and whatever one may ask about without being rude.
_INNOCENT = """xx, xxx, bs, mf, scat, escort, domination, how to kill, hard core, hardcore, hoe, simp, skeet, snatch,
    intercourse, tit, swinger, topless, undressing, fecal, coon, pegging, fingering, veuve, bosser, folle,
    gueule, drague, tanche, cailler, gerbe, gerber, ramoner, pédale, pedale, bander, bitte, bourré, bourre,
    bourrée, bourree, teuf, pipi, péter, peter, poof, throating, eunuch, swastika, lolita, playboy, negro,
    bastardized, quim, suck, sucks, panty, panties, girl on, taste my, scissoring, rimming, busty, shrimping,
    bareback, goo girl, kinky, tied up, tushy, twinkie, violet wand, white power, wet dream, tainted love,
    suicide girls, pleasure chest, jelly donut, lemon party, big black, strip club, huge fat, vibrator, 4ss,
    genitals, vagina, vulva, penis, urethra play, rectum, semen, nipple, nipples, anus, clitoris, rape, date
    rape, rapist, sexo, sex, sexy, nude, nudity, erotic, pedophile, paedophile, incest"""

# Words that only the other language means badly.
_INNOCENT_IN = {
    "en": "con, conne, bite, suce, meuf, caca, cul, trique, chatte",
    "fr": "retard, anal, butt, spunk, trique, chatte",
}

# What the library's lists lack.
_ADDED = """whore, whores, enculer, ta gueule, pétasse, petasse, bâtard, batard, ntm, fdp, nique, niquer, emmerde,
    bougnoule, youpin, fucks, fucked, bitching, bitchy, connards, salopes, putes, merdique"""


def is_profane(text: str, language: str) -> bool:
    """Return whether ``text`` holds a rude word, in English, in French or in ``language``, spelled with signs or not.

    What is rude in one language and innocent in the other ("bite", "retard") is judged by ``language``. A further
    language is judged by its own list where the library has one, because its neighbours' rude words may be its thick
    and thin ("dick"); where it has none, by what is rude in both of ours.
    """
    # A bare number spells no word: without this, 455 reads as three letters of English.
    return bool(_filter(language).is_profane(re.sub(r"(?<!\S)\d[\d.,]*(?=\W|$)", " ", text)))


@lru_cache(maxsize=8)
def _filter(language: str) -> Filter:
    found = settings.SITE_LANGUAGES[language]
    innocent = [_INNOCENT_IN[language]] if language in _INNOCENT_IN else [*_INNOCENT_IN.values()]
    own = found.english_name.lower()
    listed = language not in _INNOCENT_IN and bool(dictionary.get_words(own))
    return Filter(
        {
            "languages": [own] if listed else ["english", "french"],
            "detect_leetspeak": True,
            "ignore_words": _listed(",".join([_INNOCENT, *innocent, found.facts.innocent_words])),
            "custom_words": _listed(_ADDED),
        }
    )


def _listed(text: str) -> list[str]:
    return [" ".join(word.split()) for word in text.split(",") if word.strip()]
