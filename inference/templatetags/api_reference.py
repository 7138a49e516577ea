"""The API's description as our own pages show it: endpoints, types, headers and errors, in the reader's language."""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from inference.api import descriptions, openapi

register = template.Library()
CODE = re.compile(r"`([^`]+)`")
FAR = 2**31  # a bound that far away is no news to anybody
BOUNDS = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("maxItems", "≤"), ("maxLength", "≤"))


@dataclass(frozen=True, slots=True)
class Field:
    """A row of a table of fields. ``type`` is close to TypeScript's notation, which every language reads alike."""

    name: str
    type: str
    links: tuple[str, ...]
    required: bool
    words: str

    @property
    def linked_type(self) -> SafeString:
        """Return the type as HTML, with links to the types that it names."""
        text = str(escape(self.type))
        for name in self.links:
            text = re.sub(rf"\b{name}\b", str(format_html('<a href="#type-{0}">{0}</a>', name)), text)
        return mark_safe(text)  # noqa: S308 - escaped before


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    path: str
    name: str
    summary: str
    public: bool
    parameters: tuple[Field, ...]
    asks: str
    answers: tuple[str, ...]
    statuses: tuple[int, ...]
    example: str


@dataclass(frozen=True, slots=True)
class Type:
    name: str
    words: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    contents: tuple[Heading, ...]
    operations: tuple[Operation, ...]
    types: tuple[Type, ...]
    headers: tuple[tuple[str, str], ...]
    codes: tuple[descriptions.ErrorCode, ...]


@register.simple_tag
def api_reference() -> Reference:
    """Return the whole reference in the language of the page."""
    return _reference(get_language() or settings.LANGUAGE_CODE)


@register.filter
def code_marks(text: object) -> SafeString:
    """Return a sentence of the description as HTML: what stands between backticks is code."""
    return mark_safe(CODE.sub(r"<code>\1</code>", str(escape(str(text)))))  # noqa: S308 - escaped before


@lru_cache(maxsize=8)
def _reference(language: str) -> Reference:
    description = openapi.describe(language)
    parts = description["components"]
    return Reference(
        contents=(
            *(Heading(each.name, str(each.summary)) for each in openapi.ENDPOINTS),
            Heading("types", _("Types")),
            Heading("headers", _("Headers of responses")),
            Heading("errors", _("Errors")),
        ),
        operations=tuple(_operation(each, description) for each in openapi.ENDPOINTS),
        types=tuple(_type(name, schema) for name, schema in parts["schemas"].items()),
        headers=tuple((name, each["description"]) for name, each in parts["headers"].items()),
        codes=descriptions.CODES,
    )


def _operation(each: openapi.Endpoint, description: dict[str, Any]) -> Operation:
    told = description["paths"][each.path][each.method]
    answered = [each.answers, each.streams]
    known = description["components"]["parameters"]
    parameters = [known[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in told.get("parameters", [])]
    example = next(iter(each.examples.values()), None)
    return Operation(
        method=each.method.upper(),
        path=each.path,
        name=each.name,
        summary=told["summary"],
        public=each.public,
        parameters=tuple(
            Field(one["name"], one["in"], (), one.get("required", False), one["description"]) for one in parameters
        ),
        asks=each.asks.__name__ if each.asks else "",
        answers=tuple(dict.fromkeys(type_.__name__ for type_ in answered if type_ is not None)),
        statuses=tuple(int(status) for status in told["responses"]),
        example=json.dumps(example, indent=2, ensure_ascii=False) if example else "",
    )


def _type(name: str, schema: dict[str, Any]) -> Type:
    required = schema.get("required", [])
    fields = tuple(
        Field(field, _notation(each), _links(each), field in required, each.get("description", ""))
        for field, each in schema.get("properties", {}).items()
    )
    return Type(name, schema.get("description", ""), fields)


def _notation(schema: dict[str, Any]) -> str:
    """Return the type of a field in a short notation; that it may be null is left to *optional*."""
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_notation(each) for each in schema["anyOf"] if each.get("type") != "null"))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(json.dumps(each) for each in schema["enum"])
    kind = str(schema.get("type", "any"))
    bounds = " ".join(_bound(sign, schema[name]) for name, sign in BOUNDS if abs(schema.get(name, FAR)) < FAR)
    if kind == "array":
        items = _notation(schema.get("items", {}))
        kind = f"({items})[]" if " " in items else f"{items}[]"
    return f"{kind} {bounds}".strip()


def _bound(sign: str, value: float) -> str:
    return f"{sign} {value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", "−")


def _links(schema: Any) -> tuple[str, ...]:
    """Return the types that a field's type names."""
    if isinstance(schema, list):
        return tuple(name for each in schema for name in _links(each))
    if not isinstance(schema, dict):
        return ()
    own = (schema["$ref"].rpartition("/")[2],) if "$ref" in schema else ()
    return own + tuple(name for each in schema.values() for name in _links(each))
