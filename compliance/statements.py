"""The statements that a named person vouches for: committed beside this module, each with a digest of its own."""

import hashlib
import tomllib
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import get_language

from compliance import chain
from compliance.errors import UnknownStatement
from compliance.models import AttestingRole

STATEMENTS = Path(__file__).with_name("statements.toml")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``roles`` are those that must sign, each by somebody else; empty where any role will do."""

    id: str
    days: int
    people: int
    title_en: str
    title_fr: str
    text_en: str
    text_fr: str
    roles: tuple[str, ...] = ()
    rests_on: str = ""

    @property
    def sha256(self) -> str:
        """Return the digest of every word and every condition."""
        return hashlib.sha256(chain.canonical(asdict(self))).hexdigest()

    @property
    def title(self) -> str:
        return self.title_fr if get_language() == "fr" else self.title_en

    @property
    def text(self) -> str:
        return self.text_fr if get_language() == "fr" else self.text_en


@cache
def statements(path: Path = STATEMENTS) -> tuple[Statement, ...]:
    """Return every statement in the order of the file. Raises ValueError for one that cannot be signed as it stands."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(_statement(id, said) for id, said in found.items())


def statement(id: str) -> Statement:
    """Return one statement. Raises UnknownStatement."""
    for each in statements():
        if each.id == id:
            return each
    raise UnknownStatement(id)


def _statement(id: str, said: dict[str, Any]) -> Statement:
    words = {name: " ".join(said[name].split(" ")).strip() for name in said if name.startswith(("title", "text"))}
    found = Statement(id=id, **(said | words | {"roles": tuple(said.get("roles", ()))}))
    if not set(found.roles) <= set(AttestingRole.values) or found.people < max(1, len(found.roles)) or found.days < 1:
        raise ValueError(f"statement {id}: roles, people or days cannot be met")
    return found
