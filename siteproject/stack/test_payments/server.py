"""The stand-in as a server: the provider's calls, its two pages, and ``/control/`` for tests. Loopback only."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn

from siteproject.stack.test_payments import customers, goods, pages, scenarios
from siteproject.stack.test_payments.address import HOST
from siteproject.stack.test_payments.calls import Calls, Refused
from siteproject.stack.test_payments.forms import decoded
from siteproject.stack.test_payments.messages import Delivery, Messenger
from siteproject.stack.test_payments.objects import Missing, Object, Objects

VERSION = "2026-10-28.endive"  # of the API: what billing/stripe_client.py names in every call
Answer = tuple[int, dict[str, str], bytes]
ANSWERS = (customers, goods)  # importing them registers their calls


class StandIn:
    """The application. ``webhook`` is where messages go; without it they are only kept."""

    def __init__(self, port: int, *, key: str, secret: str, webhook: str = "", kept: Path | None = None) -> None:
        self.address = f"http://{HOST}:{port}"
        self.key = key
        self.calls = Calls(Objects(kept), Messenger(webhook, secret, VERSION), self.address, VERSION)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        try:
            status, extra, content = await self._answer(scope, headers, body)
        except Missing as error:
            status, extra, content = 404, {}, str(error).encode()
        except Refused as error:
            status, extra, content = _json(error.status, error.body)
        sent = [(name.encode(), value.encode()) for name, value in extra.items()]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, scope: dict[str, Any], headers: dict[str, str], body: bytes) -> Answer:
        method, path = scope["method"], scope["path"]
        if path == "/health":
            return _json(200, {"status": "ok"})
        if path == "/favicon.ico":  # browsers ask, and complain where there is none
            return 204, {}, b""
        if path.startswith(("/v1/", "/control/")) and headers.get("authorization") != f"Bearer {self.key}":
            return _json(401, Refused("Invalid API Key provided.", kind="authentication_error").body)
        if path.startswith("/v1/"):
            text = body.decode() if method == "POST" else scope["query_string"].decode() or body.decode()
            return _json(*self.calls.answer(method, path, decoded(text), headers))
        if path.startswith("/control/"):
            if urlsplit(f"//{headers.get('host', '')}").hostname not in (HOST, "localhost"):
                # A page of somebody else's, whose host's name was made to lead here.
                return _json(403, {})
            return await self._control(path.removeprefix("/control/"), json.loads(body or b"{}"))
        _, place, session_id, *rest = [*path.split("/"), "", ""][:4]
        return self._page(method, place, session_id, rest[0] if rest else "")

    def _page(self, method: str, place: str, session_id: str, act: str) -> Answer:
        session = self.calls.objects.get("sessions", session_id)
        if method == "GET":
            return _html(
                pages.checkout(self.calls, session)
                if place == "checkout"
                else pages.portal(session, self._held(session))
            )
        if place == "checkout" and act == "fail":
            return _html(pages.checkout(self.calls, session, failed=True))
        if place == "checkout" and act == "pay":
            self.calls.messenger.send_later(scenarios.bought(self.calls, session=session_id))
            self.calls.objects.save()
            return _see_other(session["success_url"].replace("{CHECKOUT_SESSION_ID}", session_id))
        held = self._held(session)
        if place == "portal" and act == "cancel" and held is not None:
            held["cancel_at_period_end"] = True
            message = self.calls.messenger.write("customer.subscription.updated", held)
            self.calls.messenger.send_later([message])
            self.calls.objects.save()
        return _see_other(session["return_url"])

    def _held(self, session: Object) -> Object | None:
        mine = [each for each in self.calls.objects.all("subscriptions") if each["customer"] == session["customer"]]
        return next((each for each in mine if each["status"] != "canceled"), None)

    async def _control(self, what: str, asked: dict[str, Any]) -> Answer:
        """What tests ask for: calls and messages so far, an outage, declined cards, a scenario."""
        match what:
            case "calls":
                return _json(200, self.calls.made)
            case "messages":
                return _json(200, self.calls.messenger.written)
            case "objects":
                return _json(200, self.calls.objects.all(asked["kind"]))
            case "away":
                self.calls.away = int(asked["calls"])
                return _json(200, {})
            case "declined":
                self.calls.declined = bool(asked["declined"])
                return _json(200, {})
            case "scenario":
                about = asked.get("about", {})
                messages = [each for name in asked["names"] for each in scenarios.play(self.calls, name, about)]
                statuses = await self.calls.messenger.send(messages, Delivery(**asked.get("how", {})))
                return _json(200, {"statuses": statuses, "messages": [each["id"] for each in messages]})
        return _json(404, {})


def _json(status: int, found: Any) -> Answer:
    return status, {"content-type": "application/json", "request-id": "req_test"}, json.dumps(found).encode()


def _html(text: str) -> Answer:
    return 200, {"content-type": "text/html; charset=utf-8", "cache-control": "no-store"}, text.encode()


def _see_other(address: str) -> Answer:
    return 303, {"location": address}, b""


def server(stand_in: StandIn, port: int) -> uvicorn.Server:
    """Return a server for it, not yet running."""
    config = uvicorn.Config(stand_in, host=HOST, port=port, lifespan="off", log_level="warning", access_log=False)
    return uvicorn.Server(config)


def main() -> None:
    """Serve as the environment says, until told to stop."""
    port = int(os.environ["TEST_PAYMENTS_PORT"])
    kept = os.environ.get("TEST_PAYMENTS_FILE")
    stand_in = StandIn(
        port,
        key=os.environ["TEST_PAYMENTS_KEY"],
        secret=os.environ["TEST_PAYMENTS_SECRET"],
        webhook=os.environ.get("TEST_PAYMENTS_WEBHOOK", ""),
        kept=Path(kept) if kept else None,
    )
    server(stand_in, port).run()


if __name__ == "__main__":
    main()
