"""Calls of the API's customers, what came back of them, and whether the ledger holds exactly that."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import httpx

from billing.keys import digests, new_text
from siteproject.stack.probe import free_port
from tests.customers import new_key, question, sql
from tests.live import Site, wait_for
from tests.scripted import SECRET_BODY, ScriptedServer, Seen

PRICES = "SELECT input_microusd, output_microusd FROM billing_modelprice WHERE model = %s"
# Every quota against its lines, one way and the other; a customer's row of all keys has key 0.
SUMS = """
WITH lines AS (
  SELECT u.customer_id, k.key, w."window", date_trunc(w."window", u.day)::date AS starts,
         sum(u.cost_microusd) AS cost, sum(u.gpu_ms) AS gpu,
         coalesce(sum(u.reserved_microusd) FILTER (WHERE u.state = 'reserved'), 0) AS held,
         coalesce(sum(u.reserved_gpu_ms) FILTER (WHERE u.state = 'reserved'), 0) AS held_gpu
    FROM billing_usagerecord u, LATERAL (VALUES (0::bigint), (u.key_id)) AS k(key),
         (VALUES ('day'), ('month')) AS w("window")
   WHERE k.key IS NOT NULL
   GROUP BY 1, 2, 3, 4
)
SELECT coalesce(q.customer_id, l.customer_id), coalesce(q.key, l.key), coalesce(q."window", l."window"),
       q.spent_microusd, l.cost, q.reserved_microusd, l.held, q.spent_gpu_ms, l.gpu, q.reserved_gpu_ms, l.held_gpu
  FROM billing_quota q
  FULL JOIN lines l ON l.customer_id = q.customer_id AND l.key = q.key AND l."window" = q."window"
                   AND l.starts = q.starts
 WHERE (coalesce(q.spent_microusd, 0), coalesce(q.reserved_microusd, 0), coalesce(q.spent_gpu_ms, 0),
        coalesce(q.reserved_gpu_ms, 0))
    <> (coalesce(l.cost, 0), coalesce(l.held, 0), coalesce(l.gpu, 0), coalesce(l.held_gpu, 0))
    OR least(q.spent_microusd, q.reserved_microusd, q.spent_gpu_ms, q.reserved_gpu_ms) < 0
"""
STILL_RESERVED = "SELECT count(*) FROM billing_usagerecord WHERE state = 'reserved'"
DEARER = """
SELECT count(*) FROM billing_usagerecord u JOIN billing_modelprice p ON p.model = u.model
 WHERE u.cost_microusd < 0
    OR u.cost_microusd > ceil((u.prompt_tokens * p.input_microusd + u.completion_tokens * p.output_microusd) / 1e6)
"""


def differences(site: Site) -> list[str]:
    """Return in what the ledger is not exact; empty when sums equal, nothing is reserved, negative, double or dear."""
    found = [f"quota is not the sum of its lines: {row}" for row in sql(site, SUMS)]
    ((reserved,),) = sql(site, STILL_RESERVED)
    ((dear,),) = sql(site, DEARER)
    ((double,),) = sql(site, "SELECT count(*) - count(DISTINCT request_id) FROM billing_usagerecord")
    named = {"calls still reserved": reserved, "calls dearer than their tokens": dear, "calls twice": double}
    return found + [f"{number} {what}" for what, number in named.items() if number]


def assert_ledger_exact(site: Site, *, within_s: float = 5.0) -> None:
    """Every quota is the sum of its lines and nothing is reserved, once what just ended is written."""
    wait_for(lambda: sql(site, STILL_RESERVED) == [(0,)], within_s, site.log("web"))
    assert differences(site) == []


@dataclass
class Caller:
    """A customer's program with one key, whose limits of the minute are lifted. Each call has its own connection."""

    site: Site
    key: str
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(
            timeout=60, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
        )
    )

    @property
    def key_id(self) -> int:
        return int(sql(self.site, "SELECT id FROM billing_apikey WHERE prefix = %s", self.key[:10])[0][0])

    def another(self, **columns: Any) -> "Caller":
        """Return a program with another key of the same customer. ``columns`` are of the key's row."""
        text = new_text()
        pepper_id, digest = next(iter(digests(text).items()))
        columns = {"prefix": text[:10], "digest": digest, "pepper_id": pepper_id, **columns}
        names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
        sql(
            self.site,
            "INSERT INTO billing_apikey (public_id, customer_id, name, scopes, allowed_models, address_ranges,"
            f" {names}) SELECT gen_random_uuid(), customer_id, 'another', scopes, '[]', '[]', {marks}"
            " FROM billing_apikey WHERE id = %s",
            *columns.values(),
            self.key_id,
        )
        return Caller(self.site, text, self.client)

    def call(self, text: str = "Which licence?", *, url: str = "", **fields: Any) -> "Answer":
        """Make one call and read it to its end. ``headers`` are the request's, beside the key."""
        headers = {"Authorization": f"Bearer {self.key}", **fields.pop("headers", {})}
        body = question(text, **fields)
        address = f"{url or self.site.url}/v1/chat/completions"
        with self.client.stream("POST", address, json=body, headers=headers) as response:
            answer = Answer(response.status_code, dict(response.headers))
            try:
                for line in response.iter_lines():
                    answer.lines.append(line)
            except httpx.RemoteProtocolError:
                answer.broken = True
        return answer

    def leave(self, text: str = "Which licence?", *, at: str, reached: Callable[[], bool], **fields: Any) -> "Left":
        """Make a call; hang up at a line of its stream that has ``at`` in it, once the model is ``reached``."""
        headers = {"Authorization": f"Bearer {self.key}"}
        body = question(text, stream=True, **fields)
        address = f"{self.site.url}/v1/chat/completions"
        with self.client.stream("POST", address, json=body, headers=headers) as response:
            answer = Answer(response.status_code, dict(response.headers))
            for line in response.iter_lines():
                answer.lines.append(line)
                if at in line:
                    wait_for(reached, 5)
                    break
        return Left(answer, time.monotonic())

    def row(self, answer: "Answer") -> dict[str, Any]:
        """Return the line of the ledger for an answer."""
        statement = "SELECT to_jsonb(u) FROM billing_usagerecord u WHERE request_id = %s"
        ((found,),) = sql(self.site, statement, answer.request_id)
        return dict(found)

    def rows(self) -> int:
        """Return how many lines this key has in the ledger."""
        statement = "SELECT count(*) FROM billing_usagerecord WHERE key_id = %s"
        return int(sql(self.site, statement, self.key_id)[0][0])


@dataclass
class Answer:
    """What came back. ``broken`` where the connection ended in the middle."""

    status: int
    headers: dict[str, str]
    lines: list[str] = field(default_factory=list)
    broken: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def request_id(self) -> str:
        return self.headers["x-request-id"]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line[6:]) for line in self.lines if line.startswith("data: {")]

    @property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.text))

    @property
    def error(self) -> dict[str, Any]:
        """The error: of the body, or of the last event."""
        return dict((self.events[-1] if self.events else self.body)["error"])

    @property
    def reason(self) -> str | None:
        """The finish reason that a stream gave."""
        reasons = [choice["finish_reason"] for event in self.events for choice in event.get("choices", [])]
        return next((reason for reason in reasons if reason), None)

    @property
    def words(self) -> list[str]:
        """The deltas of a stream."""
        deltas = [choice["delta"] for event in self.events for choice in event.get("choices", [])]
        return [delta["content"] for delta in deltas if delta.get("content")]


class Left(NamedTuple):
    """What a caller had read of an answer when it left, and when that was."""

    answer: Answer
    at: float


def new_caller(site: Site) -> Caller:
    """Return a new customer on the largest plan, whom no limit of the minute stops."""
    caller = Caller(site, new_key(site))
    sql(
        site,
        "UPDATE billing_customer c SET requests_per_minute = 1000000, tokens_per_minute = 1000000000,"
        " parallel_calls = 10000 FROM billing_apikey k WHERE k.customer_id = c.id AND k.id = %s",
        caller.key_id,
    )
    return caller


def assert_refused(answer: Answer, status: int, code: str) -> None:
    """A status, a code, a sentence and a request id; 503 and 504 say when to ask again."""
    assert (answer.status, answer.error["code"]) == (status, code), (answer.status, answer.text)
    assert answer.error["message"].endswith(".") and uuid.UUID(answer.error["request_id"])
    assert status not in (503, 504) or int(answer.headers["retry-after"]) > 0
    assert SECRET_BODY not in answer.text


def assert_complete(answer: Answer, reason: str = "stop") -> None:
    """A stream that came to its end: one finish reason, ``[DONE]`` last, no error."""
    assert answer.status == 200 and not answer.broken, (answer.status, answer.text)
    assert answer.reason == reason, answer.text[-600:]
    assert [line for line in answer.lines if line][-1] == "data: [DONE]"
    assert not [event for event in answer.events if "error" in event]


def assert_broke_off(answer: Answer, code: str) -> None:
    """A stream that failed: one error event, which is the last thing in it, and no finish reason."""
    assert answer.status == 200 and not answer.broken, (answer.status, answer.text)
    errors = [event for event in answer.events if "error" in event]
    assert len(errors) == 1 and answer.events[-1] == errors[0] and "[DONE]" not in answer.text, answer.text[-600:]
    assert answer.reason is None and SECRET_BODY not in answer.text
    assert errors[0]["error"]["code"] == code, errors
    assert errors[0]["error"]["message"].endswith(".") and uuid.UUID(errors[0]["error"]["request_id"])


def asked(server: ScriptedServer) -> list[Seen]:
    """Return the completions that a model server was asked for: counting a prompt is none."""
    return [seen for seen in server.requests if seen.body.get("stream")]


@contextmanager
def at_once(most: int = 32) -> Iterator[Callable[..., "Future[Any]"]]:
    """Yield what runs calls beside each other."""
    with ThreadPoolExecutor(most) as pool:
        yield pool.submit


@contextmanager
def second_web(site: Site) -> Iterator[Site]:
    """Run another web process on the same database and Redis, at an address of its own."""
    port = str(free_port())
    beside = replace(site, env=site.env | {"PORT": port, "SITE_URL": f"http://localhost:{port}"}, processes={})
    try:
        beside.start_web()
        yield beside
    finally:
        beside.stop()
