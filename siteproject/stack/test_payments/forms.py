"""Bodies and queries as Stripe's SDK writes them: ``items[0][price]=x`` is a list of objects."""

import re
from typing import Any
from urllib.parse import parse_qsl

PART = re.compile(r"\[([^\]]*)\]")


def decoded(text: str) -> dict[str, Any]:
    """Return the nested values of a form; every leaf is a string."""
    root: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first = name.split("[", 1)[0]
        parts = [first, *PART.findall(name[len(first) :])]
        place = root
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        place[parts[-1]] = value
    return {name: _lists(value) for name, value in root.items()}


def _lists(value: Any) -> Any:
    """Turn objects whose names are 0, 1, 2, … into lists."""
    if not isinstance(value, dict):
        return value
    if value and all(name.isdigit() for name in value):
        return [_lists(value[name]) for name in sorted(value, key=int)]
    return {name: _lists(inner) for name, inner in value.items()}
