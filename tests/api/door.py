"""What the contract's tests ask through the door of the API, and how they look at what comes back."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.customers import api, question, sql
from tests.live import Site, wait_for
from tests.scripted import ScriptedServer

CHAT = "/chat/completions"
CUSTOMERS = """
import json
import secrets
from datetime import timedelta
from django.utils import timezone
from accounts.models import User
from billing import keys
from billing.models import Plan
made = {{}}
for name, fields in json.loads({wanted!r}).items():
    customer = keys.customer_of(User.objects.create_user(f"carol-{{secrets.token_hex(4)}}@example.org"))
    of_customer = fields.pop("customer", {{}})
    customer.plan = Plan.objects.get(slug=of_customer.pop("plan", "scale"))
    if of_customer.pop("suspended", False):
        customer.suspended_at = timezone.now()
    for field, value in of_customer.items():
        setattr(customer, field, value)
    customer.save()
    if "expires_in_s" in fields:
        fields["expires_at"] = timezone.now() + timedelta(seconds=fields.pop("expires_in_s"))
    made[name] = keys.make(customer, name, actor="test", **fields)[1]
print(json.dumps(made))
"""


def customers(site: Site, wanted: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the key of one new customer for each name, made with these fields; ``customer`` holds its owner's."""
    printed = site.manage("shell", "-v", "0", "-c", CUSTOMERS.format(wanted=json.dumps(wanted)))
    found: dict[str, str] = json.loads(printed.strip().splitlines()[-1])
    return found


@dataclass
class Answered:
    """A whole response, read as bytes."""

    status: int
    headers: httpx.Headers
    raw: bytes

    @property
    def request_id(self) -> str:
        return self.headers["x-request-id"]

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def error(self) -> dict[str, Any]:
        """The refusal in the one shape that all have."""
        error: dict[str, Any] = self.body["error"]
        assert self.headers["content-type"] == "application/json"
        assert {"message", "type", "param", "code", "request_id"} <= error.keys(), error
        assert error["request_id"] == self.request_id and error["message"].endswith((".", "”."))
        return error

    @property
    def lines(self) -> list[str]:
        """The events and comments of a stream, each of which ends in an empty line."""
        assert self.raw.endswith(b"\n\n")
        return self.raw.decode().removesuffix("\n\n").split("\n\n")

    @property
    def chunks(self) -> list[dict[str, Any]]:
        data = [line.removeprefix("data: ") for line in self.lines if line.startswith("data: ")]
        return [json.loads(each) for each in data if each != "[DONE]"]

    @property
    def text(self) -> str:
        """What a client puts together from a stream."""
        deltas = [chunk["choices"][0]["delta"] for chunk in self.chunks if chunk.get("choices")]
        return "".join(delta.get("content", "") for delta in deltas)


@dataclass
class Door:
    """The door of a running site, and the keys of its customers."""

    site: Site
    keys: dict[str, str]

    def client(self, who: str | None = "carol", **headers: str) -> httpx.Client:
        return api(self.site, self.keys[who] if who else None, **headers)

    def post(self, body: Any, path: str = CHAT, who: str | None = "carol", **headers: str) -> Answered:
        """Send a body, as JSON unless it is bytes, and read the response to its end."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        with self.client(who) as client, client.stream("POST", path, content=content, headers=sent) as response:
            return Answered(response.status_code, response.headers, b"".join(response.iter_raw()))

    def ask(self, text: str = "Which licence?", who: str | None = "carol", **fields: Any) -> Answered:
        return self.post(question(text, **fields), who=who)

    def get(self, path: str, who: str | None = "carol", method: str = "GET", **headers: str) -> Answered:
        with self.client(who) as client:
            response = client.request(method, path, headers=headers)
            return Answered(response.status_code, response.headers, response.content)

    def line(self, request_id: str) -> dict[str, Any]:
        """Return the line of the ledger about one call."""
        names = "state, outcome, error_code, prompt_tokens, completion_tokens, cost_microusd, counted, streamed"
        rows = sql(self.site, f"SELECT {names} FROM billing_usagerecord WHERE request_id = %s", request_id)
        return dict(zip(names.split(", "), rows[0], strict=True)) if rows else {}

    def settled(self, request_id: str) -> dict[str, Any]:
        """Return the line once the call is settled."""
        wait_for(lambda: self.line(request_id).get("state") == "settled", 5, f"{self.line(request_id)}")
        return self.line(request_id)

    def last_line(self) -> dict[str, Any]:
        """Return the newest line of the ledger, settled."""
        (newest,) = sql(self.site, "SELECT request_id FROM billing_usagerecord ORDER BY id DESC LIMIT 1")
        return self.settled(str(newest[0]))

    def assert_settled(self) -> None:
        """No reservation is left, and every sum is that of its lines."""
        left = "SELECT count(*) FROM billing_usagerecord WHERE state = 'reserved'"
        wait_for(lambda: sql(self.site, left) == [(0,)], 5)
        sums = """SELECT count(*) FROM billing_quota q WHERE q."window" = 'month' AND q.key = 0 AND
            (q.reserved_microusd <> 0 OR q.spent_microusd <> (SELECT coalesce(sum(cost_microusd), 0)
             FROM billing_usagerecord u WHERE u.customer_id = q.customer_id))"""
        assert sql(self.site, sums) == [(0,)]


@dataclass
class ScriptedDoor(Door):
    """The door of a site whose model server is scripted."""

    server: ScriptedServer

    def closed_upstream(self, left_at: float, seconds: float = 1.0) -> None:
        """Assert that the model server lost its caller within ``seconds``."""
        wait_for(lambda: self.server.last.closed_at is not None, seconds + 2)
        assert self.server.last.closed_at is not None and self.server.last.closed_at - left_at < seconds


@contextmanager
def connection(door: Door, *, receive_bytes: int | None = None) -> Iterator[socket.socket]:
    """Open a plain connection to the site, which takes no more at a time than ``receive_bytes``."""
    address = urlsplit(door.site.url)
    with socket.socket() as plain:
        if receive_bytes is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        plain.settimeout(20)
        plain.connect(("127.0.0.1", address.port))
        yield plain


def written(door: Door, body: bytes, *headers: str, who: str = "carol", length: bool = True) -> bytes:
    """Return the bytes of a request for a chat completion."""
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        f"Host: {urlsplit(door.site.url).netloc}",
        f"Authorization: Bearer {door.keys[who]}",
        "Content-Type: application/json",
        *headers,
        *([f"Content-Length: {len(body)}"] if length else []),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def asked(door: Door, body: dict[str, Any], who: str = "carol") -> bytes:
    return written(door, json.dumps(body).encode(), who=who)


def left_at(sock: socket.socket) -> float:
    """Hang up and return the moment of it."""
    moment = time.monotonic()
    sock.close()
    return moment
