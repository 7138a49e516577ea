"""Finds what looks like somebody's data in a text: a warning for staff, and what is masked before a machine learns it.

Patterns only. A name, a street or a story about a person has no pattern: those a person must see.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

from billing import keys


class Kind(models.TextChoices):
    """What a pattern stands for, surest first: where two overlap, the first one counts."""

    KEY = "key", _("a key or password of a service")
    EMAIL = "email", _("an e-mail address")
    IBAN = "iban", _("a bank account (IBAN, checksum right)")
    CARD = "card", _("a payment card (checksum right)")
    IP = "ip", _("an IP address")
    PHONE = "phone", _("a telephone number")
    DIGITS = "digits", _("a long number")


@dataclass(frozen=True, slots=True)
class Pattern:
    """One find; ``text[start:end]`` is what was found."""

    kind: Kind
    start: int
    end: int


# Each is tried on the text as a reader sees it: invisible characters gone, full-width figures plain.
_SHAPES: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (Kind.KEY, re.compile(r"-----BEGIN [A-Z ]{3,40}-----[\s\S]{0,8000}?(?:-----END [A-Z ]{3,40}-----|\Z)")),
    (Kind.KEY, re.compile(r"\b(?:sk|pk|rk|xx|gh[opsu]|github_pat|glpat|xox[abprs]|hf|whsec)[-_][\w-]{16,}")),
    (Kind.KEY, re.compile(r"\b(?:AKIA|ASIA|AIza)[\w-]{12,}")),
    (Kind.KEY, re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")),
    (Kind.KEY, re.compile(r"(?<![\w/+-])(?=[\w+/-]*[a-z])(?=[\w+/-]*[A-Z])(?=(?:[\w+/-]*\d){3})[\w+/-]{28,}={0,2}")),
    (Kind.KEY, re.compile(r"(?<!\w)[0-9a-fA-F]{32,}(?!\w)")),
    (
        Kind.EMAIL,
        re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}\s?(?:@|\[at\]|\(at\))\s?[^\W_][\w-]{0,62}(?:\.[\w-]{1,63})+"),
    ),
    (Kind.IBAN, re.compile(r"(?<!\w)[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}(?!\w)")),
    (Kind.CARD, re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,18}(?!\w)")),
    (Kind.IP, re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]?\d)")),
    (Kind.IP, re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])")),
    (Kind.PHONE, re.compile(r"(?<![\w.])(?:\+|00)[1-9](?:[ ./()-]{0,2}\d){6,14}(?!\w)")),
    (Kind.PHONE, re.compile(r"(?<![\w.,])\(?0\d{1,4}\)?(?:[ ./-]{0,2}\d{2,4}){2,5}(?!\w)")),
    (Kind.PHONE, re.compile(r"(?<![\w.,])\(?[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}(?!\w)")),
    (Kind.DIGITS, re.compile(r"(?<![\w.,])\d(?:[ .-]?\d){8,}(?!\w)")),
)


def found(text: str) -> list[Pattern]:
    """Return what looks like somebody's data in ``text``, in its order, nothing twice."""
    plain, places = _as_read(text)
    taken: list[Pattern] = []
    for kind, start, end in _finds(plain):
        here = Pattern(kind, places[start], places[end - 1] + 1)
        if all(here.end <= other.start or other.end <= here.start for other in taken):
            taken.append(here)
    return sorted(taken, key=lambda pattern: pattern.start)


def masked(text: str) -> str:
    """Return ``text`` with each find replaced by its kind in brackets: ``[EMAIL]``. Masked once more, it stays."""
    parts, last = [], 0
    for pattern in found(text):
        parts += [text[last : pattern.start], f"[{pattern.kind.name}]"]
        last = pattern.end
    return "".join([*parts, text[last:]])


def _finds(plain: str) -> Iterator[tuple[Kind, int, int]]:
    for match in keys.IN_A_TEXT.finditer(plain):
        if keys.is_key(match[0]):
            yield Kind.KEY, *match.span()
    for kind, shape in _SHAPES:
        for match in shape.finditer(plain):
            start, end = match.span()
            if kind == Kind.IBAN:
                end = start + _iban_length(match[0])
            if end > start and _holds.get(kind, _always)(plain[start:end]):
                yield kind, start, end


def _as_read(text: str) -> tuple[str, list[int]]:
    """Return the text in plain characters without invisible ones, and for each of them its place in ``text``."""
    letters: list[str] = []
    places: list[int] = []
    for at, letter in enumerate(text):
        if letter not in "\n\t" and unicodedata.category(letter) in ("Cc", "Cf", "Cs"):
            continue
        plain = unicodedata.normalize("NFKC", letter)
        plain = str(unicodedata.digit(letter)) if letter.isdigit() and not plain.isascii() else plain
        plain = "-" if unicodedata.category(letter) == "Pd" else plain
        letters += plain
        places += [at] * len(plain)
    return "".join(letters), places


def _iban_length(shape: str) -> int:
    """Return how much of ``shape``, from its start, is an account number whose checksum is right (ISO 13616); 0: none.

    The longest part counts: a word that follows in capital letters looks like more of the number.
    """
    for end in range(len(shape), 14, -1):
        plain = re.sub(r"[ -]", "", shape[:end]).upper()
        if shape[end - 1].isalnum() and 15 <= len(plain) <= 34:
            figures = "".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])
            if int(figures) % 97 == 1:
                return end
    return 0


def _is_card(shape: str) -> bool:
    """Whether the last figure proves the others (Luhn, ISO/IEC 7812)."""
    figures = [int(letter) for letter in shape if letter.isdigit()]
    doubled = [sum(divmod(2 * figure, 10)) for figure in figures[-2::-2]]
    return len(set(figures)) > 1 and (sum(figures[-1::-2]) + sum(doubled)) % 10 == 0


def _is_ip(shape: str) -> bool:
    try:
        ipaddress.ip_address(shape)
    except ValueError:
        return False
    return len(shape) > 4 and any(letter.isalnum() for letter in shape)


def _is_phone(shape: str) -> bool:
    international = shape.startswith(("+", "00"))
    return (7 if international else 9) <= sum(letter.isdigit() for letter in shape) <= 15


def _is_nobodys(shape: str) -> bool:
    """Whether a long number is a round one written out, such as 135 000 000."""
    return re.fullmatch(r"\d{1,3}(?:[ .]\d{3})*[ .]?000", shape) is not None


def _always(shape: str) -> bool:
    return True


_holds: dict[Kind, Callable[[str], bool]] = {
    Kind.CARD: _is_card,
    Kind.IP: _is_ip,
    Kind.PHONE: _is_phone,
    Kind.DIGITS: lambda shape: not _is_nobodys(shape),
}
