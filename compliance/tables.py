"""Tables that people keep in TOML files beside the code: read whole, checked, and loud about what is wrong."""

import tomllib
from pathlib import Path
from typing import TypeVar

import msgspec
from django.conf import settings

FOLDER = Path(__file__).parent / "data"
T = TypeVar("T")

# A sentence in each language that the site promises, by code.
Words = dict[str, str]


class TableError(ValueError):
    """A file that is not there or does not say what it must. Its text names the file and the place, never a value."""


def read(path: Path, shape: type[T]) -> T:
    """Return what a file says, as ``shape``. Raises TableError."""
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), shape)
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path.name}: {type(error).__name__}") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise TableError(f"{path.name}: {error}") from None


def incomplete(words: Words) -> list[str]:
    """Return the promised languages in which ``words`` say nothing."""
    return [code for code in settings.COMPLETE_LANGUAGES if not words.get(code, "").strip()]


def said(words: Words, language: str) -> str:
    """Return the sentence in a language, in the site's first one where a further language has none."""
    return words.get(language) or words.get(settings.LANGUAGE_CODE, "")
