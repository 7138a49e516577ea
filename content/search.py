"""Search over everything published: PostgreSQL's full text, in rows that follow the files.

Each text is indexed twice, as it is written and without accents, and each query is asked twice: French endings are
stemmed by their accents ("observées", "observer"), and many people type none. They are taken off in Python: the
extension that does it in the database is not on every server, and not every role may create it.
"""

import hashlib
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import snowballstemmer
from django.conf import settings
from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db import connection, transaction
from django.db.models import F, TextField, Value
from django.utils import translation
from markdown_it.token import Token

from content.documents import Document
from content.library import address, library
from content.markdown import parser, plain_text
from content.models import SearchEntry
from content.values import text_of, values_digest

MAX_QUERY_CHARS = 200
MAX_RESULTS = 20
EXCERPT_CHARS = 240
STATEMENT_TIMEOUT_MS = 2_000
TITLE_WEIGHT, HEADING_WEIGHT, TEXT_WEIGHT = "A", "B", "C"

# Raise it when the same document would make another row.
FORM = 1

# Any number that no other lock of ours has: "search" in letters.
LOCK = 0x736561726368

# A configuration of PostgreSQL that every server has: words as they are.
NO_STEMS = "simple"

WORD = re.compile(r"[^\W_]+")
NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_parser = parser()


@dataclass(frozen=True, slots=True)
class Result:
    """A document that was found. ``excerpt`` are pieces of its text in order, each with whether it is a match."""

    kind: str
    title: str
    url: str
    rank: float
    excerpt: tuple[tuple[str, bool], ...]


class NotPrepared(Exception):
    """Texts are published and none has a row yet: the worker has never run, so nothing can be said about any word."""


@dataclass(frozen=True, slots=True)
class Synced:
    """How many rows were written and removed."""

    written: int
    removed: int


def sync_search() -> Synced:
    """Bring the rows in line with the published documents, all or nothing. Does nothing while another process does it.

    A row is written again when its document, a value, its address or the language's configuration has changed.
    """
    with transaction.atomic():
        if not _locked():
            return Synced(0, 0)
        configurations, values = _configurations(), values_digest()
        documents = {
            _digest(each, configurations[each.language], values): each for each in library().by_address.values()
        }
        known = dict(SearchEntry.objects.values_list("digest", "pk"))
        gone = [pk for digest, pk in known.items() if digest not in documents]
        removed, _by_model = SearchEntry.objects.filter(pk__in=gone).delete()
        fresh = {digest: document for digest, document in documents.items() if digest not in known}
        for digest, document in fresh.items():
            _entry(document, configurations[document.language], digest).save(force_insert=True)
    return Synced(len(fresh), removed)


def search(query: str, language: str, *, limit: int = MAX_RESULTS) -> list[Result]:
    """Return what ``query`` finds among the documents of ``language``, best first.

    The query may hold "phrases", ``or`` and ``-exclusions``, and is cut at ``MAX_QUERY_CHARS``. Every statement ends
    after ``STATEMENT_TIMEOUT_MS``, with an OperationalError. Raises NotPrepared until rows are there.
    """
    asked = clean(query)[:MAX_QUERY_CHARS]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
        configuration = _configurations().get(language, NO_STEMS)
        wanted = _query(spaced(asked), configuration) | _query(folded(asked), configuration)
        lexemes = _lexemes(asked, configuration)
        found = (
            SearchEntry.objects.filter(language=language, vector=wanted)
            # 1: a long text is no better for holding the words more often.
            .annotate(rank=SearchRank(F("vector"), wanted, normalization=Value(1)))
            .order_by("-rank", "kind", "slug")[:limit]
        )
        rows = list(found.values_list("kind", "title", "url", "rank", "text"))
        if not rows and library().by_address and not SearchEntry.objects.exists():
            raise NotPrepared
    return [
        Result(kind, title, url, rank, excerpt(text, _matches(text, lexemes, configuration)))
        for kind, title, url, rank, text in rows
    ]


def clean(query: str) -> str:
    """Return what somebody typed as one line without control characters."""
    return " ".join(NOT_TEXT.sub(" ", query).split())


def spaced(text: str) -> str:
    """Return ``text`` with a space for each sign that is neither ASCII nor a letter.

    To a database in the C locale every sign beyond ASCII is a letter: ``l’énergie`` would be one word there.
    """
    composed = unicodedata.normalize("NFC", text)
    return "".join(letter if letter.isascii() or letter.isalnum() else " " for letter in composed)


def folded(text: str) -> str:
    """Return ``text`` in lower case, without accents, and spaced."""
    return "".join(map(_folded_letter, spaced(text)))


def excerpt(
    text: str, matches: Sequence[tuple[int, int]], *, length: int = EXCERPT_CHARS
) -> tuple[tuple[str, bool], ...]:
    """Return about ``length`` characters of ``text`` around most of the ``matches``, cut between words.

    ``matches`` are (start, end) in order; without any it is the beginning of the text.
    """
    start, end = _window(text, matches, length)
    inside = [(max(a, start), min(b, end)) for a, b in matches if start < b and a < end]
    edges = [start, *(edge for match in inside for edge in match), end]
    parts = [(text[a:b], number % 2 == 1) for number, (a, b) in enumerate(pairwise(edges)) if a < b]
    before, after = ("… " if start else ""), (" …" if end < len(text) else "")
    return tuple(part for part in ((before, False), *parts, (after, False)) if part[0])


def _locked() -> bool:
    """Take the lock until the transaction ends; False where another process has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def _configurations() -> dict[str, str]:
    """Return the configuration of each language: its English name where this server has one of that name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cfgname FROM pg_ts_config")
        known = {row[0] for row in cursor.fetchall()}
    names = {code: language.english_name.lower() for code, language in settings.SITE_LANGUAGES.items()}
    return {code: name if name in known else NO_STEMS for code, name in names.items()}


def _digest(document: Document, configuration: str, values: str) -> str:
    made_from = (document.digest, address(document), values, configuration, str(FORM))
    return hashlib.sha256("\0".join(made_from).encode()).hexdigest()


def _entry(document: Document, configuration: str, digest: str) -> SearchEntry:
    """Return the row of a document, its values written as the readers of its language write them."""
    with translation.override(document.language):
        headings, text = _words(_parser.parse(document.text))
    vector = (
        _vector(document.meta.title, TITLE_WEIGHT, configuration)
        + _vector(headings, HEADING_WEIGHT, configuration)
        + _vector(f"{document.meta.description} {text}", TEXT_WEIGHT, configuration)
    )
    return SearchEntry(
        kind=document.kind,
        slug=document.slug,
        language=document.language,
        title=document.meta.title,
        url=address(document),
        text=text,
        digest=digest,
        vector=vector,
    )


def _words(tokens: list[Token]) -> tuple[str, str]:
    """Return the headings, and everything under them, tables and code among it, as plain words."""
    in_heading = {at + 1 for at, token in enumerate(tokens) if token.type == "heading_open"}
    headings = [token for at, token in enumerate(tokens) if at in in_heading]
    others = [token for at, token in enumerate(tokens) if at not in in_heading]
    return plain_text(headings, _text_of), unicodedata.normalize("NFC", plain_text(others, _text_of))


def _text_of(name: str) -> str:
    try:
        return text_of(name)
    except KeyError:
        return ""  # the checks name it; a search is no place to fail


def _vector(text: str, weight: str, configuration: str) -> SearchVector:
    both = (Value(form, output_field=TextField()) for form in (spaced(text), folded(text)))
    return SearchVector(*both, weight=weight, config=configuration)


def _query(text: str, configuration: str) -> SearchQuery:
    return SearchQuery(text, search_type="websearch", config=configuration)


def _folded_letter(letter: str) -> str:
    """Return a letter in lower case without accents, ligatures taken apart."""
    plain = unicodedata.normalize("NFKD", letter.casefold().replace("œ", "oe").replace("æ", "ae"))
    return "".join(part for part in plain if not unicodedata.combining(part))


def _lexemes(query: str, configuration: str) -> frozenset[str]:
    """Return the stems of the query's words, those that mean nothing left out."""
    with connection.cursor() as cursor:
        both = f"{spaced(query)} {folded(query)}"
        cursor.execute("SELECT tsvector_to_array(to_tsvector(%s::regconfig, %s))", [configuration, both])
        return frozenset(cursor.fetchone()[0])


def _matches(text: str, lexemes: frozenset[str], configuration: str) -> list[tuple[int, int]]:
    """Return where ``text`` has words with one of the stems, as (start, end) in order.

    PostgreSQL could mark them itself, but for a query of sixty words that took it two seconds (``ts_headline``). Its
    stemmers are Snowball's, as ours are.
    """
    stem = _stemmer(configuration)
    known: dict[str, bool] = {}
    matches = []
    for found in WORD.finditer(text):
        word = found[0]
        if word not in known:
            known[word] = stem(word.lower()) in lexemes or stem(folded(word)) in lexemes
        if known[word]:
            matches.append(found.span())
    return matches


def _stemmer(configuration: str) -> Callable[[str], str]:
    """Return what stems as the configuration does. It is the caller's own: threads must not share one."""
    if configuration not in snowballstemmer.algorithms():
        return str
    stem: Callable[[str], str] = snowballstemmer.stemmer(configuration).stemWord
    return stem


def _window(text: str, matches: Sequence[tuple[int, int]], length: int) -> tuple[int, int]:
    """Return the part of ``text`` to show: it begins a little before the match that has most others close behind it."""
    lead = length // 5
    ends = [end for _start, end in matches]
    counts = [bisect_right(ends, start + length - lead) - at for at, (start, _end) in enumerate(matches)]
    first = matches[counts.index(max(counts))][0] if matches else 0
    start = text.find(" ", first - lead, first) + 1 if first > lead else 0
    if len(text) - start <= length:
        return start, len(text)
    end = text.rfind(" ", start, start + length)
    return start, end if end > first else start + length
