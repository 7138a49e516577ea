"""Customers of a running site: keys as an operator makes them, requests as a program sends them."""

import secrets
from typing import Any

import httpx
import psycopg

from tests.live import Site


def new_customer() -> str:
    """Return an address that nobody has."""
    return f"carol-{secrets.token_hex(4)}@example.org"


def new_key(site: Site, *, email: str | None = None, plan: str = "scale") -> str:
    """Return a new API key of a customer on a plan; a new customer by default."""
    printed = site.manage("issue_key", "--email", email or new_customer(), "--name", "test", "--plan", plan)
    return printed.strip().splitlines()[-1]


def api(site: Site, key: str | None = None, **headers: str) -> httpx.Client:
    """Return a client of ``/v1`` with a key."""
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return httpx.Client(base_url=f"{site.url}/v1", headers=headers, timeout=60)


def question(text: str = "Which licence?", **fields: Any) -> dict[str, Any]:
    """Return a body for ``/v1/chat/completions``."""
    return {"model": "wagmi-small", "messages": [{"role": "user", "content": text}], **fields}


def sql(site: Site, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement in a site's database and return its rows; what it changes is committed."""
    with psycopg.connect(site.postgres.url, autocommit=True) as connection:
        cursor = connection.execute(statement, values)  # type: ignore[arg-type] - statements stand in the tests
        return cursor.fetchall() if cursor.description else []
