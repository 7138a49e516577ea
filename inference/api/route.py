"""The ASGI application of ``/v1``, in front of Django's handler: what is asked at which address."""

import logging
from collections.abc import Callable
from typing import Any

from django.db import InterfaceError, OperationalError

from billing.errors import Suspended
from billing.models.keys import Scope
from inference.api import catalogue, completions, embeddings, limits, openapi, reports, wanted
from inference.api.door import authenticate
from inference.api.errors import ApiError, away, method_not_allowed, no_route, not_json, of_ledger, unexpected
from inference.api.exchange import ClientLeft, Exchange

logger = logging.getLogger(__name__)
POSTS = {"/v1/chat/completions": Scope.CHAT, "/v1/completions": Scope.CHAT, "/v1/embeddings": Scope.EMBEDDINGS}
READERS: dict[str, Callable[[bytes], wanted.Wanted | embeddings.Wanted]] = {
    "/v1/chat/completions": wanted.of_chat,
    "/v1/completions": wanted.of_completion,
    "/v1/embeddings": embeddings.of_embeddings,
}
# What is counted in this process alone, each against as many as a minute has requests.
REFUSED, REPORTS = "refused", "reports"
GETS = ("/v1/models", "/v1/key", "/v1/usage", "/v1/openapi.json")


def is_api(path: str) -> bool:
    return path == "/v1" or path.startswith("/v1/")


def in_front_of(app: Any) -> Any:
    """Return an application that answers ``/v1`` itself and hands everything else on."""

    async def routed(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and is_api(scope["path"]):
            await answer(Exchange(scope, receive, send))
        else:
            await app(scope, receive, send)

    return routed


async def answer(exchange: Exchange) -> None:
    """Answer one request; whatever happens, in JSON with a request id."""
    try:
        await _answer(exchange)
    except ClientLeft:
        logger.info("%s client left", exchange.request_id)
    except ApiError as error:
        logger.info("%s refused: %d %s", exchange.request_id, error.status, error.code)
        if not exchange.started:
            await exchange.refuse(error)
    except (OperationalError, InterfaceError) as error:
        logger.warning("%s: the database does not answer (%s)", exchange.request_id, type(error).__name__)
        if not exchange.started:
            await exchange.refuse(away(5))
    except Exception:
        logger.exception("%s failed", exchange.request_id)
        if not exchange.started:
            await exchange.refuse(unexpected())


async def _answer(exchange: Exchange) -> None:
    path = exchange.path
    if path in POSTS:
        if exchange.method != "POST":
            raise method_not_allowed("POST")
        grant = await authenticate(exchange, POSTS[path])
        if grant.suspended:
            raise of_ledger(Suspended())
        # Reading a body that is then refused costs us as much as a good one, so those have a limit of their own.
        limits.check_locally(REFUSED, grant.rates)
        if exchange.header("content-type").partition(";")[0].strip().lower() != "application/json":
            raise not_json()
        try:
            asked = READERS[path](await exchange.body())
        except ApiError:
            limits.take_locally(REFUSED, grant.rates)
            raise
        if isinstance(asked, wanted.Wanted):
            await completions.answer(exchange, grant, asked)
        else:
            await embeddings.answer(exchange, grant, asked)
        return
    if path not in GETS and not path.startswith("/v1/models/"):
        raise no_route()
    if exchange.method not in ("GET", "HEAD"):
        raise method_not_allowed("GET, HEAD")
    if path == "/v1/openapi.json":
        await exchange.send(openapi.current(), headers={"cache-control": "public, max-age=3600"})
        return
    grant = await authenticate(exchange, Scope.USAGE if path == "/v1/usage" else None)
    limits.take_locally(REPORTS, grant.rates)
    if path == "/v1/models":
        await exchange.answer({"object": "list", "data": await catalogue.listed(grant)})
    elif path == "/v1/key":
        await exchange.answer(await reports.key(grant))
    elif path == "/v1/usage":
        await exchange.answer(await reports.usage(grant, exchange.scope["query_string"]))
    else:
        await exchange.answer(await catalogue.one(path.removeprefix("/v1/models/"), grant))
