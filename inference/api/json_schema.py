"""Which JSON schemas a model's server may be given to make a grammar of.

A grammar is followed for each token, for all who are answered at the time: llama.cpp stands still for minutes, for
everybody, over ``^((a?){1,50}){1,50}$`` (measured), so regular expressions and very large schemas stay outside.
"""

from typing import Any

import msgspec
from django.utils.translation import gettext_lazy as _

from inference.api.errors import invalid

PARAM = "response_format.json_schema.schema"
MAX_BYTES = 16 * 1024
MAX_DEPTH = 32
MAX_PROPERTIES = 64  # of one object: each that may be left out is one more way to go on
MAX_COUNT = 1000
COUNTS = ("minLength", "minItems", "maxItems", "minProperties", "maxProperties")


def check(schema: dict[str, Any]) -> None:
    """Raise ApiError 400 for a schema that cannot be followed safely."""
    if len(msgspec.json.encode(schema)) > MAX_BYTES:
        raise invalid(PARAM, _("The schema is larger than 16 KiB."))
    waiting: list[tuple[Any, int]] = [(schema, 1)]
    while waiting:
        found, depth = waiting.pop()
        if not isinstance(found, dict | list):
            continue
        if depth > MAX_DEPTH or (isinstance(found, dict) and not _is_small(found)):
            text = _("The schema goes beyond what can be followed safely: no patterns, few properties, little depth.")
            raise invalid(PARAM, text)
        waiting += [(each, depth + 1) for each in (found.values() if isinstance(found, dict) else found)]


def _is_small(found: dict[str, Any]) -> bool:
    # A property may be called "pattern": its schema is an object then, and no text.
    if isinstance(found.get("pattern"), str) or "patternProperties" in found:
        return False
    if any(isinstance(number := found.get(name), int | float) and number > MAX_COUNT for name in COUNTS):
        return False
    return len(found) <= MAX_PROPERTIES
