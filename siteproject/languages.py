"""The languages of the site, found from the folders of ``locale/``: a further language is a matter of files.

Settings read this module, so it reads none of them. docs/languages.md says what goes into which file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from django.conf.global_settings import LANGUAGES_BIDI
from django.conf.locale import LANG_INFO
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import to_language, to_locale

CATALOG = "LC_MESSAGES/django.po"
FACTS = "language.yaml"

# As it was before ``introduce`` added to it.
DJANGO_KNOWS = dict(LANG_INFO)


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What locale/<folder>/language.yaml may say. Django knows the first three of a hundred languages by itself."""

    name: str = ""  # in the language itself, as the switch between languages shows it
    english_name: str = ""  # also finds its stemmer and its search in PostgreSQL: Norwegian, not Norwegian Bokmål
    direction: Literal["", "ltr", "rtl"] = ""
    stop_words: str = ""  # words of a question that carry no meaning, in lower case and without accents
    small_words: str = ""  # words that give the language of a sentence away
    innocent_words: str = ""  # that the filter would take for rude ones, separated by commas
    tokens_per_word: float = 0.0  # of a model that writes in the language, on the safe side


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the site. Of what nobody has written down the default is empty, and the code does without."""

    code: str  # as in addresses and ``lang``: "de", "pt-br"
    name: str
    english_name: str  # of a variant its mother's: in lower case it names a stemmer and PostgreSQL's search
    right_to_left: bool
    facts: Facts


def read_languages(folder: Path, *, first: str, complete: Iterable[str]) -> dict[str, Language]:
    """Return the languages by code: ``first``, the ``complete`` ones, then every other catalog in ``folder`` by code.

    Raises ImproperlyConfigured for a file that cannot be read, or where neither Django nor a file knows a name.
    """
    found = sorted(to_language(path.parent.parent.name) for path in folder.glob(f"*/{CATALOG}"))
    codes = dict.fromkeys([first, *(code for code in complete if code in found), *found])
    return {code: read_language(folder, code) for code in codes}


def read_language(folder: Path, code: str) -> Language:
    """Return one language from what Django knows and its file says; the file wins."""
    facts = read_facts(folder / to_locale(code) / FACTS)
    known = known_to_django(code)
    name = facts.name or known.get("name_local", "")
    english_name = facts.english_name or known_to_django(code.partition("-")[0]).get("name", "")
    if not name:
        message = f"{folder.name}/{to_locale(code)}/{FACTS}: Django knows no language {code}, so its name is needed"
        raise ImproperlyConfigured(message)
    right_to_left = facts.direction == "rtl" if facts.direction else bool(known.get("bidi"))
    return Language(code, name[:1].upper() + name[1:], english_name, right_to_left, facts)


def read_facts(path: Path) -> Facts:
    """Return what a language.yaml says; nothing at all where there is none."""
    if not path.exists():
        return Facts()
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, Facts)
    except (OSError, ValueError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ImproperlyConfigured(f"{path.parent.parent.name}/{path.parent.name}/{path.name}: {error}") from None


def known_to_django(code: str) -> Mapping[str, Any]:
    """Return what Django knows of a language or, for a variant such as ``de-at``, of its mother; empty for neither."""
    known = DJANGO_KNOWS.get(code, {})
    if "fallback" in known:  # an older code of the same language
        known = DJANGO_KNOWS[known["fallback"][0]]
    return known or DJANGO_KNOWS.get(code.partition("-")[0], {})


def introduce(languages: Mapping[str, Language]) -> list[str]:
    """Tell Django about the languages it does not know. Returns its list of those written from right to left.

    ``LANG_INFO`` is where its template tags look names up; there is no setting for it.
    """
    for code, language in languages.items():
        LANG_INFO.setdefault(
            code,
            {
                "code": code,
                "name": language.english_name or language.name,
                "name_local": language.name,
                "bidi": language.right_to_left,
            },
        )
    written_so = [code.partition("-")[0] for code, language in languages.items() if language.right_to_left]
    others = {code.partition("-")[0] for code, language in languages.items() if not language.right_to_left}
    return sorted({*LANGUAGES_BIDI, *written_so} - others)
