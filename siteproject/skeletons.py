"""The files a further language begins with, and what is left in them for a translator. Nothing there is is changed."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import django.conf.locale
import yaml
from babel import Locale, UnknownLocaleError
from babel.messages.catalog import Catalog
from babel.messages.plurals import get_plural
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.dates import MONTHS, MONTHS_3, MONTHS_ALT, WEEKDAYS, WEEKDAYS_ABBR
from django.utils.translation import override, to_language, to_locale

from chat.grounding import CALIBRATION, is_calibrated
from chat.words import stop_words
from content.documents import KINDS, read_document
from content.errors import ContentError
from content.library import library
from siteproject.languages import CATALOG, DJANGO_KNOWS, FACTS, known_to_django, read_language
from siteproject.management.commands.checkcatalogs import Wanted, untranslated

# BCP 47 as far as addresses go: a language, and where needed a script or a region.
CODE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
ONE_FORM = "nplurals=2; plural=(n != 1);"
FORMATS = "formats.py"

# CLDR's letters for a day, a month and a year, and Django's; E is the month as it stands beside a day.
LETTERS = {"d": "j", "dd": "d", "M": "n", "MM": "m", "MMM": "M", "MMMM": "E", "LLLL": "F", "y": "Y", "yy": "y"}


class LanguageError(Exception):
    """Why a language cannot be begun, in a sentence for whoever asked for it."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A language as far as the command knows it before a file says so. ``cldr`` is what Babel knows, if it does."""

    code: str
    name: str
    english_name: str
    right_to_left: bool
    cldr: Locale | None

    @property
    def folder(self) -> str:
        return to_locale(self.code)


def begin(code: str, locales: Path, *, name: str = "", english_name: str = "", direction: str = "") -> Begun:
    """Return what is known of the language. Raises LanguageError for what is no code, or a name that is missing."""
    if not CODE.fullmatch(code) or to_language(to_locale(code)) != code:
        raise LanguageError(f"{code!r} is not a language code: two or three small letters, such as de or pt-br.")
    if code in settings.COMPLETE_LANGUAGES:
        raise LanguageError(f"{code} is there already, in full.")
    cldr = _cldr(code)
    if (locales / to_locale(code) / FACTS).exists():
        try:
            language = read_language(locales, code)
        except ImproperlyConfigured as error:
            raise LanguageError(str(error)) from None
        return Begun(code, language.name, language.english_name, language.right_to_left, cldr)
    known = known_to_django(code)
    # Of a variant, such as de-at, Django may know the mother alone, whose name is taken.
    exact = DJANGO_KNOWS.get(code, {}).get("name_local")
    name = name or exact or (cldr and cldr.display_name) or known.get("name_local") or ""
    english_name = english_name or known.get("name") or (cldr and cldr.english_name) or ""
    if not name:
        raise LanguageError(f"Nobody here knows {code}: give it a --name, and --direction rtl where that is so.")
    rtl = known["bidi"] if "bidi" in known else bool(cldr and cldr.text_direction == "rtl")
    return Begun(code, name, english_name or name, direction == "rtl" if direction else rtl, cldr)


def write_files(begun: Begun, locales: Path, messages: list[Wanted]) -> Iterator[str]:
    """Write the catalog and, where Django does not know the language, its facts and formats. Yields their paths."""
    folder = locales / begun.folder
    known = known_to_django(begun.code)
    files: dict[str, Callable[[Path], object]] = {}
    as_known = (known.get("name_local"), bool(known.get("bidi"))) == (begun.name, begun.right_to_left)
    if not as_known:
        files[FACTS] = lambda path: path.write_text(_facts(begun), encoding="utf-8")
    if not known:
        files[FORMATS] = lambda path: path.write_text(_formats(begun.cldr), encoding="utf-8")
    # The catalog makes it a language of the site, so it comes last.
    files[CATALOG] = lambda path: _write_catalog(path, begun, messages)
    for name, write in files.items():
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
            yield path.relative_to(locales.parent).as_posix()


def write_drafts(code: str, root: Path) -> Iterator[str]:
    """Copy each document of the first language beside it, as a draft with the text to translate. Yields their paths."""
    for document in library(root=root).documents:
        path = root / document.kind / document.slug / f"{code}.md"
        if document.published and document.language == settings.LANGUAGE_CODE and not path.exists():
            original = path.with_name(f"{document.language}.md").read_text(encoding="utf-8")
            front, body = original.split("\n---", 1)
            front = re.sub(r"(?m)^status: .*$", "status: draft", front)
            # Nobody has read the translation yet.
            front = re.sub(r"(?m)^reviewed_by: .*$", "reviewed_by: null", re.sub(r"(?m)^reviewed_at: .*\n?", "", front))
            path.write_text(f"{front}\n---{body}", encoding="utf-8")
            yield path.relative_to(root.parent).as_posix()


def gaps(code: str, locales: Path, root: Path, messages: list[Wanted]) -> Iterator[str]:
    """Yield a line for each kind of thing that the language lacks, and what the site does meanwhile."""
    path = locales / to_locale(code) / CATALOG
    with path.open("rb") as file:
        missing = len(list(untranslated(read_po(file, locale=to_locale(code)), messages)))
    yield _line("messages", f"{missing} of {len(messages)} to translate in {path.relative_to(locales.parent)}", missing)
    found = library(root=root)
    unnamed = [slug for slug, names in found.topics.items() if not names.get(code)]
    yield _line("topics", f"no name in {root.name}/topics.yaml: {', '.join(unnamed)}", unnamed)
    for kind in KINDS:
        slugs = sorted({each.slug for each in found.documents if each.kind == kind and each.published})
        absent = [slug for slug in slugs if not _is_published(root / kind / slug / f"{code}.md", kind, root)]
        told = f"{len(absent)} of {len(slugs)} not published in {code}: {', '.join(absent)}"
        yield _line(kind, told, absent)
    synonyms = root / "synonyms" / f"{code}.yaml"
    yield _line(
        "synonyms", f"no {root.name}/synonyms/{code}.yaml: only the words themselves are found", not synonyms.exists()
    )
    facts = f"{locales.name}/{to_locale(code)}/{FACTS}"
    no_stop_words = not (stop_words(code) or read_language(locales, code).facts.stop_words)
    yield _line("stop words", f"none in {facts}: every word of a question counts", no_stop_words)
    no_thresholds = not is_calibrated(code)
    told = f"none in {CALIBRATION.parent.name}/{CALIBRATION.name}: the strictest of the other languages stand in"
    yield _line("thresholds", told, no_thresholds)


def dates_unknown_to_django(code: str) -> list[Wanted]:
    """Return Django's own words for dates where it has no translation of them; ours to give, then."""
    if (Path(django.conf.locale.__file__).parent / to_locale(code)).is_dir():
        return []
    return [Wanted(message, context=context) for _number, message, context in _date_words()]


def _date_words() -> Iterator[tuple[int, str, str]]:
    """Yield the number, the English word and the context of Django's words for months and days."""
    with override(None):
        for table, context in (
            (MONTHS, ""),
            (MONTHS_3, ""),
            (MONTHS_ALT, "alt. month"),
            (WEEKDAYS, ""),
            (WEEKDAYS_ABBR, ""),
        ):
            for number, word in table.items():
                yield number, str(word), context


def _cldr(code: str) -> Locale | None:
    try:
        return Locale.parse(to_locale(code))
    except (UnknownLocaleError, ValueError):
        return None


def _write_catalog(path: Path, begun: Begun, messages: list[Wanted]) -> None:
    """Write every message with nothing for its translation; the months of a language that Babel knows are filled in."""
    catalog = Catalog(locale=begun.folder, project=settings.SITE_NAME, charset="utf-8", fuzzy=False)
    catalog.header_comment = f"# The words of the interface in {begun.english_name}."
    given = _names_of_dates(begun.cldr) if begun.cldr else {}
    for each in messages:
        identity = (each.message, each.plural) if each.plural else each.message
        catalog.add(identity, string=given.get((each.message, each.context)), context=each.context or None)
    with path.open("wb") as file:
        write_po(file, catalog, width=120, sort_output=False)
    plurals = get_plural(begun.cldr).plural_forms if begun.cldr else ONE_FORM
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r'"Plural-Forms: .*\\n"', lambda _: f'"Plural-Forms: {plurals}\\n"', text), encoding="utf-8")


def _names_of_dates(cldr: Locale) -> dict[tuple[str, str], str]:
    """Return CLDR's words for months and days by Django's; its days begin on Monday, too."""
    tables = {
        "": [(MONTHS, cldr.months["stand-alone"]["wide"]), (WEEKDAYS, cldr.days["stand-alone"]["wide"])],
        "alt. month": [(MONTHS_ALT, cldr.months["format"]["wide"])],
    }
    tables[""] += [
        (MONTHS_3, cldr.months["format"]["abbreviated"]),
        (WEEKDAYS_ABBR, cldr.days["format"]["abbreviated"]),
    ]
    with override(None):
        return {
            (str(word), context): names[number]
            for context, pairs in tables.items()
            for words, names in pairs
            for number, word in words.items()
        }


def _facts(begun: Begun) -> str:
    facts = {
        "name": begun.name,
        "english_name": begun.english_name,
        "direction": "rtl" if begun.right_to_left else "ltr",
    }
    return "# docs/languages.md says what else may stand here.\n" + yaml.safe_dump(
        facts, allow_unicode=True, sort_keys=False
    )


def _formats(cldr: Locale | None) -> str:
    """Return a formats.py as Django has one for each language it knows: from CLDR, else the international one."""
    names = {"DATE_FORMAT": "Y-m-d", "SHORT_DATE_FORMAT": "Y-m-d", "TIME_FORMAT": "H:i"}
    signs = {"DECIMAL_SEPARATOR": ".", "THOUSAND_SEPARATOR": "\u00a0"}
    if cldr:
        names |= {
            "DATE_FORMAT": _django_format(cldr.date_formats["long"].pattern),
            "SHORT_DATE_FORMAT": _django_format(cldr.date_formats["short"].pattern),
        }
        symbols = cldr.number_symbols.get("latn") or next(iter(cldr.number_symbols.values()))
        signs = {"DECIMAL_SEPARATOR": symbols["decimal"], "THOUSAND_SEPARATOR": symbols["group"]}
    first_day = (cldr.first_week_day + 1) % 7 if cldr else 1
    lines = [f"{name} = {json.dumps(value)}" for name, value in (names | signs).items()]
    lines += [f"FIRST_DAY_OF_WEEK = {first_day}", "NUMBER_GROUPING = 3"]
    return (
        '"""How dates and numbers are written: the names are those of Django\'s own formats."""\n\n'
        + "\n".join(lines)
        + "\n"
    )


def _django_format(pattern: str) -> str:
    """Return CLDR's pattern of a date in Django's letters: ``d. MMMM y`` is ``j. F Y``."""
    found = []
    for part in re.finditer(r"'[^']*'|(?P<letter>[A-Za-z])(?P=letter)*|[^A-Za-z']+", pattern):
        text = part[0]
        if part["letter"]:
            found.append(LETTERS.get(text, ""))
        else:  # words between, such as "de", letter by letter so that Django does not read them as its own
            found.append("".join(f"\\{sign}" if sign.isalpha() else sign for sign in text.replace("'", "")))
    return "".join(found).strip()


def _is_published(path: Path, kind: str, root: Path) -> bool:
    try:
        return read_document(path, kind=kind, root=root).published
    except (OSError, ContentError):
        return False


def _line(kind: str, missing: str, is_missing: object) -> str:
    return f"{kind:11}{missing if is_missing else 'complete'}"
