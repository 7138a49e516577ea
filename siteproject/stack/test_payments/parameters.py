"""Whether a call's parameters are ones that the SDK's own types know, with values of their kind."""

import re
import types
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Literal, Union

import typing_extensions
from stripe import _request_options

# They stand among the parameters of some calls, and travel as headers.
HEADERS = frozenset(_request_options.RequestOptions.__annotations__)
WRAPPERS = (typing_extensions.NotRequired, typing_extensions.Required)


def problems(value: Any, hint: Any, at: str = "") -> list[str]:
    """Return what is wrong with a value out of a form, by the type that the SDK gives it; empty when nothing is."""
    origin, inner = typing_extensions.get_origin(hint), typing_extensions.get_args(hint)
    if origin in WRAPPERS:
        return problems(value, inner[0], at)
    if typing_extensions.is_typeddict(hint):
        return _of_object(value, hint, at)
    if origin in (Union, types.UnionType):
        return _of_choice(value, inner, at)
    if origin is Literal:
        return [] if value in inner else [f"{at}: not one of {inner}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{at}: no list"]
        return [each for n, item in enumerate(value) for each in problems(item, inner[0], f"{at}[{n}]")]
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{at}: no object"]
        return [each for name, item in value.items() for each in problems(item, inner[1], f"{at}[{name}]")]
    return [] if _is_scalar(value, hint) else [f"{at}: not a {getattr(hint, '__name__', hint)}"]


def _of_object(value: Any, hint: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: no object"]
    known = _fields(hint)
    found = [f"{_at(at, name)}: unknown" for name in value if name not in known]
    required = (name for name in hint.__required_keys__ if name not in HEADERS)
    found += [f"{_at(at, name)}: missing" for name in required if name not in value]
    return found + [
        each for name in value if name in known for each in problems(value[name], known[name], _at(at, name))
    ]


@cache
def _fields(hint: Any) -> dict[str, Any]:
    # The types of the headers are named in their own module, one of them for type checkers only.
    names = {**vars(_request_options), "StripeContext": str}
    hints = typing_extensions.get_type_hints(hint, localns=names, include_extras=True)
    return {name: found for name, found in hints.items() if name not in HEADERS}


def _of_choice(value: Any, choices: tuple[Any, ...], at: str) -> list[str]:
    """A word of a list is written ``Literal[…]|str`` in the SDK, so that new words do no harm: here they do."""
    words = {word for each in choices if typing_extensions.get_origin(each) is Literal for word in each.__args__}
    if value in words if isinstance(value, str) else False:
        return []
    strict = words - {""} and str in choices
    others = [each for each in choices if each is not str] if strict else list(choices)
    tried = [problems(value, each, at) for each in others if typing_extensions.get_origin(each) is not Literal]
    if not tried:
        return [f"{at}: not one of {sorted(map(str, words))}"]
    return min(tried, key=len)


def _is_scalar(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if not isinstance(value, str):
        return False
    if hint is int:
        return bool(re.fullmatch(r"-?[0-9]+", value))
    if hint is bool:
        return value in ("true", "false")
    if hint in (float, Decimal):
        try:
            return Decimal(value).is_finite()
        except InvalidOperation:
            return False
    return hint is str


def _at(at: str, name: str) -> str:
    return f"{at}[{name}]" if at else name


def params_type(path: str) -> Any:
    """Return a TypedDict of the SDK by its name, such as ``checkout.SessionCreateParams``."""
    module, _, name = path.rpartition(".")
    return getattr(__import__(f"stripe.params.{module}".rstrip("."), fromlist=[name]), name)
