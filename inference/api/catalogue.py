"""The models of the API: which there are, what each can do, and the list that clients read."""

from typing import Any

from billing.grants import Grant
from billing.prices import prices
from inference.api.errors import no_model
from inference.models import Tier
from inference.registry import Served, snapshot

CHAT, EMBEDDINGS = "chat", "embeddings"
# Runtimes that can hold an answer to a grammar.
GRAMMARS = frozenset({"llamacpp", "vllm", "ollama"})
CREATED = 1_767_225_600  # 2026-01-01: when these public ids were given out


async def find(model: str, grant: Grant) -> list[Served]:
    """Return the backends that serve a model, best first; empty when there is none or the key may not use it."""
    if not grant.may_use(model):
        return []
    return [one for one in await snapshot.served() if one.public_id == model]


def does(served: Served, what: str) -> bool:
    """Whether a model is for ``chat`` or for ``embeddings``."""
    return (served.tier == Tier.EMBED) == (what == EMBEDDINGS)


async def listed(grant: Grant) -> list[dict[str, Any]]:
    """Return the models a key may use, as clients read them."""
    found: dict[str, Served] = {}
    for one in await snapshot.served():
        if one.enabled and grant.may_use(one.public_id):
            found.setdefault(one.public_id, one)
    costs = await prices.current()
    return [_entry(one, costs.get(one.public_id)) for one in found.values()]


async def one(model: str, grant: Grant) -> dict[str, Any]:
    """Return one of them. Raises ApiError 404."""
    for entry in await listed(grant):
        if entry["id"] == model:
            return entry
    raise no_model(model)


def _entry(served: Served, price: tuple[int, int] | None) -> dict[str, Any]:
    embeds = does(served, EMBEDDINGS)
    capabilities = [EMBEDDINGS] if embeds else [CHAT, "completions", "stream"]
    if not embeds and served.runtime in GRAMMARS:
        capabilities.append("json_schema")
    return {
        "id": served.public_id,
        "object": "model",
        "created": CREATED,
        "owned_by": "wagmi",
        "name": served.name,
        "tier": served.tier,
        "hardware": served.hardware,
        "stand_in": served.stand_in,
        "languages": list(served.languages),
        "capabilities": capabilities,
        "context_window": served.context_tokens,
        "max_output_tokens": 0 if embeds else served.max_output_tokens,
        "weights_sha256": served.weights_sha256 or None,
        "prices_usd_per_million_tokens": (
            None if price is None else {"input": price[0] / 1_000_000, "output": price[1] / 1_000_000}
        ),
    }
