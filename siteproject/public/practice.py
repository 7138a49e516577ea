"""The gap analysis against the Code of Practice on marking and labelling: one answer for each of its measures."""

import datetime
from pathlib import Path
from typing import Literal

import msgspec

from compliance import tables
from compliance.tables import Words

FILE = tables.FOLDER / "code-of-practice.toml"
# The Code's own numbers (10 June 2026). A measure that nobody answered is a gap in the analysis itself.
MEASURES = ("1.1.1", "1.1.2", "1.1.3", "1.2", "2", "3.4", "4")
GOOD_FOR = datetime.timedelta(days=365)


class Measure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``evidence`` is an address on this site, or empty."""

    id: str
    state: Literal["met", "partly", "not"]
    asks: Words
    how: Words
    evidence: str


class GapAnalysis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``version`` is the day on which somebody went through all measures."""

    version: datetime.date
    source: str
    measure: list[Measure]


def read(path: Path = FILE) -> GapAnalysis:
    """Return the analysis. Raises TableError."""
    return tables.read(path, GapAnalysis)


def problem(found: GapAnalysis, *, today: datetime.date) -> str:
    """Return why the analysis proves nothing, "" when it is whole and of this year."""
    answered = [one.id for one in found.measure]
    if len(set(answered)) < len(answered):
        return "a measure is answered twice"
    missing = [one for one in MEASURES if one not in answered]
    if missing:
        return f"not answered: {', '.join(missing)}"
    silent = [one.id for one in found.measure if tables.incomplete(one.asks) or tables.incomplete(one.how)]
    if silent:
        return f"not said in every language: {', '.join(silent)}"
    if found.version > today:
        return f"of {found.version}, which is yet to come"
    if today - found.version > GOOD_FOR:
        return f"of {found.version}, older than {GOOD_FOR.days} days"
    return ""
