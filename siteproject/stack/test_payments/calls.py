"""How a call is answered: kept, checked, and once for each idempotency key. The answers: ``customers``, ``goods``."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from siteproject.stack.test_payments.messages import Messenger
from siteproject.stack.test_payments.objects import Missing, Object, Objects
from siteproject.stack.test_payments.parameters import params_type, problems

Params = dict[str, Any]


class Refused(Exception):
    """The provider's no, as it words it."""

    def __init__(
        self, message: str, *, code: str | None = None, status: int = 400, kind: str = "invalid_request_error"
    ):
        super().__init__(message)
        self.body = {"error": {"type": kind, "message": message, **({"code": code} if code else {})}}
        self.status = status


@dataclass
class Calls:
    """Answers calls, and keeps each with what is wrong with it in ``made``."""

    objects: Objects
    messenger: Messenger
    address: str
    version: str
    made: list[dict[str, Any]] = field(default_factory=list)
    away: int = 0  # so many calls are answered with 500
    declined: bool = False  # whether cards are
    _answered: dict[str, tuple[str, int, Object]] = field(default_factory=dict)

    def answer(self, method: str, path: str, params: Params, headers: dict[str, str]) -> tuple[int, Object]:
        """Return status and body of a call."""
        key = headers.get("idempotency-key", "")
        kept: dict[str, Any] = {"method": method, "path": path, "params": params, "key": key}
        kept["problems"] = self._problems(method, path, params, headers)
        self.made.append(kept)
        if self.away:
            self.away -= 1
            return 500, {"error": {"type": "api_error", "message": "Away."}}
        if kept["problems"]:
            return 400, Refused("; ".join(kept["problems"]), code="parameter_unknown").body
        return self._once(method, path, params, key)

    def _problems(self, method: str, path: str, params: Params, headers: dict[str, str]) -> list[str]:
        found = []
        if headers.get("stripe-version") != self.version:
            found.append(f"version {headers.get('stripe-version')}")
        route = _route(method, path)
        if route is None:
            return [*found, f"unknown call {method} {path}"]
        if method == "POST" and not headers.get("idempotency-key"):
            found.append("no idempotency key")
        return found + problems(params, params_type(route.params))

    def _once(self, method: str, path: str, params: Params, key: str) -> tuple[int, Object]:
        """Answer the same key with the same answer, and another body under it with an error, as the provider does."""
        print_of = hashlib.sha256(json.dumps([method, path, params], sort_keys=True).encode()).hexdigest()
        if method == "POST" and key in self._answered:
            before, status, body = self._answered[key]
            if before != print_of:
                return 400, Refused("Keys for idempotent requests…", kind="idempotency_error").body
            return status, body
        route = _route(method, path)
        assert route is not None
        try:
            status, body = 200, route.act(self, params, *route.pattern.fullmatch(path).groups())  # type: ignore[union-attr]
        except Missing as error:
            status, body = 404, Refused(str(error), code="resource_missing").body
        except Refused as error:
            status, body = error.status, error.body
        self.objects.save()
        if method == "POST":
            self._answered[key] = (print_of, status, json.loads(json.dumps(body)))
        return status, body


@dataclass(frozen=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    params: str
    act: Callable[..., Object]


ROUTES: list[Route] = []


def _route(method: str, path: str) -> Route | None:
    return next((each for each in ROUTES if each.method == method and each.pattern.fullmatch(path)), None)


def call(method: str, path: str, params: str) -> Callable[[Callable[..., Object]], Callable[..., Object]]:
    """Register the answer of one call; ``params`` is the SDK's type of its parameters."""

    def register(act: Callable[..., Object]) -> Callable[..., Object]:
        ROUTES.append(Route(method, re.compile(re.sub(r"\{\}", r"([\\w.]+)", f"/v1/{path}")), params, act))
        return act

    return register


def tell(calls: Calls, about: list[tuple[str, Object]]) -> None:
    """Send messages about objects as they are now."""
    calls.messenger.send_later([calls.messenger.write(kind, each) for kind, each in about])
