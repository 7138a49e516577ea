"""Which words of a page are not in its language: what the catalog translates, and what nobody gave it to translate.

Three looks, each blind to something else: words that the catalog holds in another language; sentences whose small
words are another language's; and words that stand the same on a page in both languages.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from babel.messages.pofile import read_po
from django.conf import settings

from chat.language import language_of
from chat.words import word_set
from tests.audit.markup import Element, Page

SILENT = word_set("script style code pre kbd samp var math noscript")
SPOKEN_ATTRIBUTES = ("alt", "aria-label", "placeholder", "title", "aria-description", "aria-roledescription")
BLOCKS = word_set("p li dd dt td th h1 h2 h3 h4 h5 h6 figcaption summary button label caption desc title")

TAGS = re.compile(r"<[^>]*>")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}")
LETTERS = re.compile(r"[^\W\d_]{2,}")
SENTENCE_WORDS = 7
# Words after the first begin small: neither a name nor a list of names.
PHRASE = re.compile(r"[^\W\d_]{2,}(?: [a-zà-ÿ]{2,}){1,}[.:…!?]?")


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of text a reader meets, and the language its page says it is in."""

    text: str
    language: str


def said_on(page: Page) -> Iterator[Said]:
    """Yield the page's texts and spoken attributes, each with the language that the markup gives it."""
    yield from _said_in(page.tree)


def _said_in(root: Element) -> Iterator[Said]:
    for element in root.iter():
        if not isinstance(element.tag, str) or _is_silent(element):
            continue
        language = _language(element)
        for text in (element.text, *(child.tail for child in element)):
            if text and text.strip():
                yield Said(_plain(text), language)
        for name in SPOKEN_ATTRIBUTES:
            if element.get(name):
                yield Said(_plain(element.get(name)), language)


def sentences_on(page: Page) -> Iterator[Said]:
    """Yield the text of each block that holds no other block, code left out."""
    for element in page.tree.iter(*BLOCKS):
        if _is_silent(element) or any(inner is not element for inner in element.iter(*BLOCKS)):
            continue
        if element.xpath("ancestor-or-self::*[@lang][1]/@lang") == [page.language]:
            yield Said(_plain(" ".join(_spoken(element, page.language))), page.language)


def left_in_another_language(texts: Iterable[Said]) -> list[str]:
    """Return the texts that the catalog holds as words of another language."""
    return sorted({each.text for each in texts if _is_of_another(each.text, each.language)})


def sounding_foreign(sentences: Iterable[Said]) -> list[str]:
    """Return sentences whose small words are another language's."""
    return [
        f"{each.language}? {each.text[:120]}"
        for each in sentences
        if len(LETTERS.findall(each.text)) >= SENTENCE_WORDS and language_of(each.text, each.language) != each.language
    ]


def same_in_both(page: Page, other: Page) -> list[str]:
    """Return words that stand on a page and on its translation alike, though nothing says they are the same word.

    Around the content every word counts; inside it only phrases, because names are the same in every language.
    """
    theirs = {each.text for each in said_on(other) if each.language == other.language}
    frame = {each.text for part in page.tree.xpath("/html/body/*[not(self::main)]") for each in _said_in(part)}
    shared = {each.text for each in said_on(page) if each.language == page.language} & theirs
    return sorted(
        text
        for text in shared
        if (PHRASE.fullmatch(text) or (text in frame and LETTERS.search(text)))
        and text != settings.SITE_NAME
        and not _fragments(other.language).matches(text)
    )


def _is_of_another(text: str, language: str) -> bool:
    if language not in dict(settings.LANGUAGES):
        return False
    if text.islower() and " " not in text:
        return False  # one small word: the catalog holds names of fields that stand in code and tables too
    own = _fragments(language)
    others = [_fragments(code) for code, _ in settings.LANGUAGES if code != language]
    return not own.matches(text) and any(other.matches(text) for other in others)


class Fragments:
    """The catalog's texts of one language, cut at tags, so that they can be met between the tags of a page."""

    def __init__(self, texts: Iterable[str]) -> None:
        pieces = {_plain(piece) for text in texts for piece in TAGS.split(text)}
        pieces = {piece for piece in pieces if LETTERS.search(PLACEHOLDER.sub("", piece))}
        self._whole = frozenset(piece for piece in pieces if not PLACEHOLDER.search(piece))
        open_ended = (piece for piece in pieces if piece not in self._whole)
        self._patterns = [re.compile(_pattern(piece)) for piece in sorted(open_ended)]

    def matches(self, text: str) -> bool:
        return text in self._whole or any(pattern.fullmatch(text) for pattern in self._patterns)


@cache
def _fragments(language: str) -> Fragments:
    """Return the words of the catalog in a language; those of the first language are the catalog's own keys."""
    from_keys = language == settings.LANGUAGE_CODE
    texts: list[str] = []
    for path in _catalogs():
        if not from_keys and path.parent.parent.name != language:
            continue
        with path.open("rb") as file:
            for message in read_po(file):
                found = message.id if from_keys else message.string
                texts += [str(each) for each in (found if isinstance(found, tuple | list) else [found]) if each]
    return Fragments(texts)


def _catalogs() -> list[Path]:
    return [path for folder in settings.LOCALE_PATHS for path in sorted(Path(folder).glob("*/LC_MESSAGES/django.po"))]


def _pattern(piece: str) -> str:
    # At least one letter stays beside the gaps, else the pattern would fit anything.
    return ".+?".join(re.escape(part) for part in PLACEHOLDER.split(piece))


def _plain(text: str) -> str:
    return re.sub(r"[\s\u00a0\u202f]+", " ", text).strip()


def _is_silent(element: Element) -> bool:
    return any(each.tag in SILENT or each.get("translate") == "no" for each in (element, *element.iterancestors()))


def _language(element: Element) -> str:
    found = element.xpath("ancestor-or-self::*[@lang][1]/@lang")
    return str(found[-1]) if found else ""


def _spoken(element: Element, language: str) -> Iterator[str]:
    """Yield the texts inside an element that are neither code, nor marked as another language, nor titles of others."""
    if (
        element.tag in SILENT
        or element.get("lang", language) != language
        or element.get("href", "").startswith("https:")
    ):
        return
    if element.text:
        yield element.text
    for child in element:
        if isinstance(child.tag, str):
            yield from _spoken(child, language)
        if child.tail:
            yield child.tail
