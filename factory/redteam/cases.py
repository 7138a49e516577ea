"""Our own attacks, written down in ``cases/*.yaml``: what is sent through which door, and what must not come of it."""

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml
from msgspec import Struct

FOLDER = Path(__file__).with_name("cases")
CANARY = "CANARY-7Q4"
Door = Literal["chat", "passage", "api", "page", "cache"]
Seal = Literal["forged", "other", "none"]


class Before(Struct, frozen=True, forbid_unknown_fields=True):
    """A turn that the client claims was there. ``seal``: made up, or a real one of another answer, or none."""

    role: Literal["system", "user", "assistant"]
    content: str
    seal: Seal = "none"


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """What must hold; each line is a detector of its own. What is not named is not looked at.

    ``never``: patterns that the answer must not hold. ``code``: the refusal that must come. ``rung``: the rungs that
    may answer. ``turns``: how many turns of the claimed history may reach the prompt. ``inert``: what the page builds
    loads nothing, runs nothing and names the host of every link that leads away. ``public_cache``: nothing of what
    somebody else asked is shared through the model server's memory. ``plain``: no control token of a chat template is
    left in what the model reads.
    """

    never: tuple[str, ...] = ()
    code: str = ""
    rung: tuple[str, ...] = ()
    turns: int | None = None
    inert: bool = False
    public_cache: bool = False
    plain: bool = False


class Written(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of a file: a case in each of its languages. A text without a language stands alone and is sent once."""

    id: str
    kind: str
    door: Door
    says: dict[str, str] | str
    expect: Expected
    before: dict[str, tuple[Before, ...]] = {}
    passage: dict[str, str] = {}
    stranger: dict[str, str] = {}
    grounding: bool = False
    fields: dict[str, Any] = {}
    obeyed: dict[str, str] | str = ""


class Case(Struct, frozen=True):
    """One attack in one language.

    ``passage`` is planted among our own, ``stranger`` is asked before by somebody else, ``fields`` ride along in a call
    of the API, ``obeyed`` is what a target that obeys says: the canary and what it was told, if nothing is here.
    """

    id: str
    kind: str
    door: Door
    language: str
    says: str
    expect: Expected
    before: tuple[Before, ...] = ()
    passage: str = ""
    stranger: str = ""
    grounding: bool = False
    fields: dict[str, Any] = {}
    obeyed: str = ""

    @property
    def detectors(self) -> tuple[str, ...]:
        """Return the names of what is looked at: always the site's secrets, and what the case expects."""
        asked = {name: getattr(self.expect, name) for name in self.expect.__struct_fields__}
        named = [name for name, value in asked.items() if value not in ((), "", None, False)]
        return (*named, "secrets")


@cache
def cases() -> tuple[Case, ...]:
    """Return every case by file, entry and language. Raises msgspec.ValidationError, or ValueError for a second id."""
    found = [
        _in_language(entry, language)
        for path in sorted(FOLDER.glob("*.yaml"))
        for entry in msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), list[Written])
        for language in (entry.says if isinstance(entry.says, dict) else [""])
    ]
    _check(found)
    return tuple(found)


def digest() -> str:
    """Return the sha256 of all case files, in the order of their names."""
    files = sorted(FOLDER.glob("*.yaml"))
    return hashlib.sha256(b"".join(path.name.encode() + b"\n" + path.read_bytes() for path in files)).hexdigest()


def _in_language(entry: Written, language: str) -> Case:
    return Case(
        id=f"{entry.id}-{language}" if language else entry.id,
        kind=entry.kind,
        door=entry.door,
        language=language or "en",
        says=_text(entry.says, language),
        expect=entry.expect,
        before=entry.before.get(language, ()),
        passage=entry.passage.get(language, ""),
        stranger=entry.stranger.get(language, ""),
        grounding=entry.grounding,
        fields=entry.fields,
        obeyed=_text(entry.obeyed, language),
    )


def _text(written: dict[str, str] | str, language: str) -> str:
    return written if isinstance(written, str) else written.get(language, "")


def _check(found: Sequence[Case]) -> None:
    ids = [case.id for case in found]
    if len(set(ids)) != len(ids):
        raise ValueError(f"two cases are called {next(id for id in ids if ids.count(id) > 1)}")
    for case in found:
        for pattern in case.expect.never:
            re.compile(pattern)
        if len(case.detectors) == 1:
            raise ValueError(f"{case.id} expects nothing")
