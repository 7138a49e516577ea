"""Runs a client's program against the site, and gathers what the client, the door and the ledger say of it."""

import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from billing.keys import SHOWN_CHARS
from tests.clients.known import Client
from tests.clients.upstream import HOLD
from tests.customers import api, new_customer, question, sql
from tests.live import Site, wait_for
from tests.scripted import ScriptedServer, Seen

REFUSED = re.compile(r"refused: (\d+) (\w+)")
PLACES = 2  # at the scripted model, and no queue before them
PROGRAM_S = 120
# One process makes all keys: the first has no room for any call, the second for thirty in a minute.
MAKE_KEYS = f"""
from accounts.models import User
from billing import keys
from billing.models import Plan
customer = keys.customer_of(User.objects.create_user("{new_customer()}"))
customer.plan = Plan.objects.get(slug="scale")
customer.save()
for limits in ({{"day_limit_microusd": 1}}, {{"requests_per_minute": 30}}, *[{{}}] * 40):
    print(keys.make(customer, "test", actor="operator", **limits)[1])
"""
ROWS = """
SELECT u.outcome, u.streamed, u.endpoint, u.model, u.prompt_tokens, u.completion_tokens, u.cost_microusd, u.state
FROM billing_usagerecord u JOIN billing_apikey k ON k.id = u.key_id WHERE k.prefix = %s ORDER BY u.id
"""


@dataclass(frozen=True)
class Row:
    """A line of the ledger."""

    outcome: str
    streamed: bool
    endpoint: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_microusd: int
    state: str


@dataclass(frozen=True)
class Told:
    """What came of a run: the client's facts by step, refusals by status and code, upstream's requests, the ledger."""

    facts: dict[str, dict[str, Any]]
    refused: Counter[tuple[int, str]]
    upstream: list[Seen]
    rows: list[Row]

    def __getitem__(self, step: str) -> dict[str, Any]:
        return self.facts[step]


class Door:
    """The site's ``/v1``, the scripted model server behind it, and keys of one customer."""

    def __init__(self, site: Site, server: ScriptedServer) -> None:
        self.site = site
        self.server = server
        self._told: dict[str, Told] = {}
        printed = site.manage("shell", "-v", "0", "-c", MAKE_KEYS)
        self.spent_key, self.limited_key, *self._keys = printed.split()

    def new_key(self) -> str:
        """Return a key that nobody has used."""
        return self._keys.pop()

    def run(self, client: Client, *steps: str) -> Told:
        """Run a client's program with a key of its own and return what came of its steps. Raises NotInstalled."""
        command, more = client.command()
        key = self.new_key()
        refused, asked = self.refusals(), len(self.server.requests)
        with tempfile.TemporaryDirectory() as home:
            environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ} | {
                "HOME": home,
                "LLM_USER_PATH": home,
                "API_BASE": f"{self.site.url}/v1",
                "API_KEY": key,
                "API_KEY_SPENT": self.spent_key,
                "API_KEY_LIMITED": self.limited_key,
            }
            done = subprocess.run(
                [*command, *steps], capture_output=True, text=True, timeout=PROGRAM_S, env=environment | more
            )
        assert done.returncode == 0, f"{command}: {done.stderr[-3000:]}"
        wait_for(lambda: not [row for row in self.rows(key) if row.state == "reserved"], 5, "not every call settled")
        return Told(json.loads(done.stdout), self.refusals() - refused, self.server.requests[asked:], self.rows(key))

    def told(self, client: Client) -> Told:
        """Return what came of all steps that need nothing prepared, taken once for all tests."""
        if client.name not in self._told:
            self._told[client.name] = self.run(client, *client.steps)
        return self._told[client.name]

    def refusals(self) -> Counter[tuple[int, str]]:
        """Return how often the door has refused so far, by status and code."""
        return Counter((int(status), code) for status, code in REFUSED.findall(self.site.log("web")))

    def rows(self, key: str) -> list[Row]:
        """Return a key's lines of the ledger, oldest first."""
        return [Row(*row) for row in sql(self.site, ROWS, key[:SHOWN_CHARS])]

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Take both places of the scripted model."""
        asked = len(self.server.requests)
        body = question(HOLD, model="wagmi-slow", stream=True)
        with api(self.site, self.new_key()) as client:
            asking = [client.stream("POST", "/chat/completions", json=body) for _ in range(PLACES)]
            with asking[0], asking[1]:
                wait_for(lambda: len(self.server.requests) == asked + PLACES, 5)
                yield
        wait_for(lambda: all(seen.ended_at for seen in self.server.requests[asked:]), 5)
