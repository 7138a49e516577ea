"""Takes a question apart into the words that carry its meaning, and tells what kind of question it is."""

import re
import threading
import unicodedata
from functools import lru_cache

import snowballstemmer
from django.conf import settings

MAX_WORD_LETTERS = 40


def word_set(text: str) -> frozenset[str]:
    """Return the words of a list written as running text."""
    return frozenset(text.split())


# Those of a further language stand in its file, locale/<language>/language.yaml.
_STOP_WORDS = {
    "en": word_set(
        """a about after all also am an and any anyone anything actually are as at be because been before being but
        by can could d did do does doing done don down during each for from get gets give go going got
        had has have having he hello her hey hi here him his how i if in into is isn it its just let ll look m many
        may me mean means might more most much must my need no not now of off on once one only or other
        our out over own please re s same shall she say says set should so some somebody someone
        something such t tell thank thanks than that the their them then there these they thing this those through to
        too under until up us use very ve want was way we were what when where which while who whose why
        will with would yes you your yours yourself
        able actually again allowed anyway bit else even ever every everybody everyone everything happen happened
        happens like lot lots maybe ok okay put quite really see seen simply still stuff sure things think thinks
        told tried try trying work works yet
        ain aren couldn didn doesn hadn hasn haven mustn shouldn wasn weren won wouldn
        arent cant couldnt didnt doesnt dont hows im isnt ive shouldnt thats theres theyre whats wheres whos wont
        wouldnt youre"""
    ),
    "fr": word_set(
        """a ai aie ainsi alors apres as au aucun aucune aussi autre autres aux avant avec avez avoir avons bien
        bonjour bonsoir c
        ca car ce ceci cela celle celui ces cet cette chaque chez chose ci comme comment d dans de depuis
        des deux dire dis dit dites doit dois donc dont du elle elles en encore entre es est et etait
        etes etre eu eux fait faire fais faites faut ici il ils j je l la le les leur leurs lors lui m ma
        mais me meme merci mes moi moins mon n ne ni nos notre nous on ont ou par parce pas peu peut plait
        possible peux plus plutot pour pourquoi pourrais pouvez puis puisque qu quand que quel quelle
        quelles quelqu quelque quelques quels qui quoi s sa sans se sera ses si soi soit son sont sous
        suis sur t ta te tes toi ton tous tout toute toutes tres tu un une va vais vas vers veut veux
        signifie voici voila voir vos votre vous vont voulez y
        assez chose choses deja jamais non ok oui rien salut svp toujours tres trop truc vois voudrais vraiment
        aient ait allait allez aura aurai aurais aurait auras aurez auriez auront avaient avais avait aviez ayez
        devoir devons devra devrais devrait devrez devriez doivent etaient etais etiez fasse fera ferait ferez feront
        font ira irez iront peuvent pourra pourrai pourrait pourrez pourriez pourront pouvoir puisse puissent sera
        serai serais serait seras serez seriez seront soient sommes soyez veulent voudra voudrez voulait voulais
        vouloir"""
    ),
}

# Words that ask rather than name: kept, "long" would find passages about length for every "how long".
_ASKING = {
    "en": re.compile(r"\bhow (?:long|many|much|often|far|big|large|fast|old)\b|\bwhat (?:kind|sort) of\b"),
    "fr": re.compile(
        r"\bcombien(?: de temps)?\b|\by[ -]a[ -]t[ -]il\b|\b(?:qu['’])?est[ -]ce qu[ei'’]|\bquelle sorte de\b"
    ),
}

# What sets a question apart from another about the same thing. "What" and "which" set nothing apart.
_KINDS = {
    "en": re.compile(
        r"\bhow (?:long|many|much|often|far|big|large|fast|old)\b|(?:^|[.?!,] )(?:how|why|whom?|whose|where|when)\b"
    ),
    "fr": re.compile(r"\bcombien(?: de temps)?\b|(?:^|[.?!,] )(?:pourquoi|comment|quand|ou-ca|(?:a )?qui)\b"),
}

_FIGURE_WORDS = {
    "en": re.compile(
        r"\bhow (?:long|many|much|often|far|big|large|fast|old)\b|\b(?:number|percentage|size|limit|when)\b"
    ),
    "fr": re.compile(r"\bcombien\b|\bquelle (?:longueur|taille|duree|limite|part)\b|\b(?:nombre|pourcentage|quand)\b"),
}

_TURNS = {
    "en": {
        "not": re.compile(r"\b(?:not|no|never|none|nobody|nothing|neither|nor|cannot)\b|n't\b"),
        "without": re.compile(r"\bwithout\b"),
        "before": re.compile(r"\bbefore\b"),
        "after": re.compile(r"\bafter\b"),
    },
    "fr": {
        "not": re.compile(r"\b(?:ne|pas|jamais|aucune?|ni|non|rien|personne ne)\b|\bn'"),
        "without": re.compile(r"\bsans\b"),
        "before": re.compile(r"\bavant\b"),
        "after": re.compile(r"\bapres\b"),
    },
}

# The stemmer keeps the word it works on in itself, so two threads must not share it without this.
_stemming = threading.Lock()


def fold(text: str) -> str:
    """Return ``text`` in lower case without accents, ligatures taken apart."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe").replace("æ", "ae"))
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def wording(text: str) -> str:
    """Return all the words of ``text``, folded, without its punctuation: equal for one question typed two ways."""
    return " ".join(re.findall(r"[^\W_]+", fold(text)))


@lru_cache(maxsize=50_000)
def stem(word: str, language: str) -> str:
    """Return the stem of a folded ``word``; the word itself in a language without a stemmer."""
    stemmer = _stemmer(language)
    if stemmer is None:
        return word
    with _stemming:
        return str(stemmer.stemWord(word))


@lru_cache(maxsize=32)
def _stemmer(language: str):  # type: ignore[no-untyped-def]  # the library has no types
    """Return the stemmer that bears the language's English name, as all of the library's do; None for no such."""
    name = settings.SITE_LANGUAGES[language].english_name.lower() if language in settings.SITE_LANGUAGES else ""
    return snowballstemmer.stemmer(name) if name in snowballstemmer.algorithms() else None


@lru_cache(maxsize=32)
def stop_words(language: str) -> frozenset[str]:
    """Return the words of a language that carry no meaning, folded; none where nobody has written them down."""
    if language in _STOP_WORDS:
        return _STOP_WORDS[language]
    facts = settings.SITE_LANGUAGES[language].facts if language in settings.SITE_LANGUAGES else None
    return word_set(fold(facts.stop_words)) if facts else frozenset()


def terms(text: str, language: str) -> list[str]:
    """Return the stems of the words of ``text`` that carry meaning, with repetitions."""
    stop = stop_words(language)
    folded = _ASKING[language].sub(" ", fold(text)) if language in _ASKING else fold(text)
    found = re.findall(r"[^\W_]+", folded)
    return [stem(word, language) for word in found if word not in stop and len(word) <= MAX_WORD_LETTERS]


def kind_of_question(question: str, language: str) -> str:
    """Return what is asked for ("how many", "why"), as the question says it; empty where nothing sets it apart."""
    # "où" must be told from "ou" before the accent goes.
    text = fold(question.replace("où", "ou-ca").replace("Où", "ou-ca"))
    found = _KINDS[language].search(text) if language in _KINDS else None
    return found[0] if found else ""


def turns_of(question: str, language: str) -> frozenset[str]:
    """Return which words a question has that turn its sense around and are no content words: not, without, after."""
    text = fold(question).replace("’", "'")
    return frozenset(name for name, pattern in _TURNS.get(language, {}).items() if pattern.search(text))


def wants_figure(question: str, language: str) -> bool:
    """Return whether the question asks for an amount, a size or a time."""
    return language in _FIGURE_WORDS and bool(_FIGURE_WORDS[language].search(fold(question)))
