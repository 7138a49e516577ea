"""What a model may do beyond writing: a table of rights for each tier, and the records that a right rests on.

Oversight grows with capability. Today no model has any right of the table: it writes words, and nothing that it writes
is ever carried out.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from compliance import tables
from compliance.models import EvidenceRecord
from compliance.tables import TableError, Words
from inference.models import Tier

FILE = tables.FOLDER / "rights.toml"


class Right(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``allowed``: the tiers that have it; ``needs``: kinds of evidence without which it does not count."""

    name: Words
    allowed: list[Tier]
    needs: list[str]


class Rights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    rights: dict[str, Right]


def read(path: Path = FILE) -> Rights:
    """Return the table. Raises TableError, also for a right that would rest on nothing."""
    found = tables.read(path, Rights)
    for key, right in found.rights.items():
        if not right.needs:
            raise TableError(f"{path.name}: {key} needs no record")
        if tables.incomplete(right.name):
            raise TableError(f"{path.name}: {key} is not named in every language of the site")
    return found


def may(tier: str, right: str, *, table: Rights | None = None) -> bool:
    """Whether models of a tier have a right now: the table gives it, and every record it rests on is there."""
    known = (table or read()).rights.get(right)
    return known is not None and tier in known.allowed and not missing(tier, right, known)


def missing(tier: str, right: str, known: Right) -> list[str]:
    """Return the kinds of evidence that a right of this tier needs and that are not on record."""
    return [
        kind
        for kind in known.needs
        if not EvidenceRecord.objects.filter(kind=kind, body__tier=tier, body__right=right).exists()
    ]


def granted(tier: str, capabilities: Iterable[str]) -> tuple[str, ...]:
    """Return those of the declared capabilities that the table gives to a tier; the others are as if not declared.

    It reads no record, for the registry is read where no database may be: the gate does that. A table that cannot be
    read gives nothing.
    """
    declared = tuple(capabilities)
    if not declared:
        return ()
    try:
        table = read().rights
    except TableError:
        return ()
    return tuple(one for one in declared if one in table and tier in table[one].allowed)


def ungranted(declared: Iterable[tuple[str, Iterable[str]]], *, table: Rights | None = None) -> list[str]:
    """Return what is wrong with the rights of (tier, capabilities) that are declared, and with the table itself."""
    known = table or read()
    found = [
        f"{tier}: {one} is declared and not granted"
        for tier, capabilities in declared
        for one in capabilities
        if one not in known.rights or tier not in known.rights[one].allowed
    ]
    for key, right in sorted(known.rights.items()):
        for tier in right.allowed:
            if lacks := missing(tier, key, right):
                found.append(f"{tier}: {key} is granted without a record of {', '.join(lacks)}")
    return found
