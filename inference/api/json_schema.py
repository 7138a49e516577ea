"""Which JSON schemas a model's server may be given to make a grammar of.

A grammar is followed for each token, for all who are answered at the time: llama.cpp stands still for minutes, for
everybody, over ``^((a?){1,50}){1,50}$`` (measured), so regular expressions and very large schemas stay outside. So it
does where ways that begin alike lead back to themselves, and to more of their kind, by ``$ref``: twelve become 144, and
so on. A schema therefore counts as it is with each reference replaced by what it names, which no recursion survives.
"""

import re
from typing import Any

import msgspec
from django.utils.translation import gettext_lazy as _

from inference.api.errors import invalid

PARAM = "response_format.json_schema.schema"
MAX_BYTES = 16 * 1024
MAX_DEPTH = 32
MAX_PROPERTIES = 64  # of one object: each that may be left out is one more way to go on
# Measured: 500 values that begin alike take the real server a second for one answer, and a tree of ways less.
MAX_NODES = 600
MAX_COUNT = 1000
COUNTS = ("minLength", "minItems", "maxItems", "minProperties", "maxProperties")
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
BEYOND = _(
    "The schema goes beyond what can be followed safely: no patterns, no recursion, few properties, little depth."
)
# What every reader of a pointer reads in the same way: ~ and % begin escapes, which llama.cpp does not know.
POINTER = re.compile(r"#(?:/[^~%/]+)+")
PLACE = re.compile(r"[0-9]{1,4}", re.ASCII)


def check(schema: dict[str, Any]) -> None:
    """Raise ApiError 400 for a schema that cannot be followed safely."""
    if len(msgspec.json.encode(schema)) > MAX_BYTES:
        raise invalid(PARAM, _("The schema is larger than 16 KiB."))
    waiting: list[tuple[Any, int]] = [(schema, 1)]
    nodes = 0
    while waiting:
        found, depth = waiting.pop()
        nodes += 1 + _ways(found)
        if nodes > MAX_NODES or depth > MAX_DEPTH or (isinstance(found, dict) and not _is_small(found)):
            raise invalid(PARAM, BEYOND)
        waiting += [(each, depth + 1) for each in _within(found, schema)]


def _ways(found: Any) -> int:
    """Return how many more ways to go on the bounds of a number are: the grammar spells out their digits."""
    # A hundred such numbers of 16 digits to choose from stopped the real server for more than 25 seconds, 9 for less
    # than one. What has more digits than 64 bits have is refused there.
    bounds = [found.get(name) for name in BOUNDS] if isinstance(found, dict) else []
    digits = [min(len(str(abs(int(bound)))), 19) for bound in bounds if isinstance(bound, int | float)]
    return sum(1 + each**2 // 3 for each in digits)


def _within(found: Any, root: dict[str, Any]) -> list[Any]:
    """Return what a part of a schema consists of; what it refers to is a part of it. Raises ApiError 400."""
    if isinstance(found, list):
        return found
    if not isinstance(found, dict):
        return []
    parts = [each for each in found.values() if isinstance(each, dict | list)]
    reference = found.get("$ref")
    return [*parts, _named(reference, root)] if isinstance(reference, str) else parts


def _named(reference: str, root: Any) -> Any:
    """Return what a reference within the schema names. Raises ApiError 400."""
    found = root if POINTER.fullmatch(reference) else None
    for step in reference.split("/")[1:] or [""]:
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and PLACE.fullmatch(step) and int(step) < len(found):
            found = found[int(step)]
        else:
            raise invalid(PARAM, _("A reference of the schema names nothing in it: “$ref” begins with “#/”."))
    return found


def _is_small(found: dict[str, Any]) -> bool:
    # A property may be called "pattern": its schema is an object then, and no text.
    if isinstance(found.get("pattern"), str) or "patternProperties" in found:
        return False
    if any(isinstance(number := found.get(name), int | float) and number > MAX_COUNT for name in COUNTS):
        return False
    return len(found) <= MAX_PROPERTIES
