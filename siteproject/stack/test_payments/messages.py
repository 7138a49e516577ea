"""Messages to the site: signed as the SDK checks them, sent once, often, backwards or late."""

import asyncio
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import stripe

from siteproject.stack.test_payments.objects import Object

TRY_AGAIN_S = (0.5, 2.0, 5.0)
TIMEOUT_S = 20.0


@dataclass
class Delivery:
    """How messages are to come: ``times`` each, ``backwards``, and with a signature that is ``age_s`` old."""

    times: int = 1
    backwards: bool = False
    age_s: int = 0
    again: bool = True


@dataclass
class Messenger:
    """Sends messages to ``url``, and keeps each in ``written`` with the answers it got; without a url it only keeps."""

    url: str
    secret: str
    version: str
    written: list[dict[str, Any]] = field(default_factory=list)
    _under_way: set["asyncio.Task[None]"] = field(default_factory=set)

    def write(self, kind: str, about: Object) -> dict[str, Any]:
        """Return a message about an object as it is now."""
        message = {
            "id": f"evt_test_{secrets.token_hex(8)}",
            "object": "event",
            "api_version": self.version,
            "created": int(time.time()),
            "type": kind,
            "data": {"object": json.loads(json.dumps(about))},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
        }
        self.written.append({"message": message, "answers": []})
        return message

    def signed(self, message: dict[str, Any], *, age_s: int = 0) -> tuple[bytes, str]:
        """Return the body and its signature."""
        body = json.dumps(message)
        stamp = int(time.time()) - age_s
        header = stripe.WebhookSignature.generate_signature_header(body, self.secret, stamp)
        return body.encode(), header

    def send_later(self, messages: list[dict[str, Any]]) -> None:
        """Send messages beside whatever goes on, and again when the site does not take them."""
        if self.url:
            task = asyncio.get_running_loop().create_task(self._send_quietly(messages))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _send_quietly(self, messages: list[dict[str, Any]]) -> None:
        await self.send(messages, Delivery())

    async def send(self, messages: list[dict[str, Any]], how: Delivery) -> list[int]:
        """Send messages one after the other, copies of each at a time; return the statuses of the answers."""
        statuses: list[int] = []
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            for message in reversed(messages) if how.backwards else messages:
                copies = [self._deliver(client, message, how) for _ in range(how.times)]
                statuses += await asyncio.gather(*copies)
        return statuses

    async def _deliver(self, client: httpx.AsyncClient, message: dict[str, Any], how: Delivery) -> int:
        status = 0
        for pause_s in (0.0, *(TRY_AGAIN_S if how.again else ())):
            await asyncio.sleep(pause_s)
            body, signature = self.signed(message, age_s=how.age_s)
            headers = {"Stripe-Signature": signature, "Content-Type": "application/json; charset=utf-8"}
            try:
                status = (await client.post(self.url, content=body, headers=headers)).status_code
            except httpx.HTTPError:
                status = 0
            kept = next((each for each in self.written if each["message"]["id"] == message["id"]), None)
            if kept is not None:
                kept["answers"].append(status)
            if 200 <= status < 300:
                break
        return status
