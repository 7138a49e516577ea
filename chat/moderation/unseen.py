"""Makes visible what a text hides: characters without a shape, and those that turn the order of the others around."""

import itertools
import unicodedata
from dataclasses import dataclass

# Control, format, surrogate and private characters, and the two that end a line without looking like it.
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
# Letters and marks that draw nothing (Unicode, Default_Ignorable_Code_Point): data is hidden in them too.
_BLANK = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, 0x2800}
    | set(range(0x180B, 0x1810))
    | set(range(0xFE00, 0xFE10))
    | set(range(0xE0100, 0xE01F0))
)
_ORDINARY = "\n\t"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: its own characters, or the name of one that cannot be seen (``U+202E``, ``U+200B × 40``)."""

    text: str
    unseen: bool = False


def pieces(text: str) -> list[Piece]:
    """Return ``text`` in parts; what cannot be seen is named where it stands, a run of the same once."""
    found = []
    for kind, letters in itertools.groupby(text, lambda letter: letter if is_unseen(letter) else ""):
        run = "".join(letters)
        found.append(Piece(_named(kind, len(run)), unseen=True) if kind else Piece(run))
    return found


def spelled(text: str) -> str:
    """Return ``text`` as one line of plain characters, what cannot be seen spelled out in angle brackets."""
    return "".join(f"⟨{piece.text}⟩" if piece.unseen else piece.text for piece in pieces(" ".join(text.split())))


def is_unseen(letter: str) -> bool:
    if letter in _ORDINARY:
        return False
    return unicodedata.category(letter) in _CATEGORIES or ord(letter) in _BLANK


def _named(letter: str, count: int) -> str:
    name = f"U+{ord(letter):04X}"
    return name if count == 1 else f"{name} × {count}"
