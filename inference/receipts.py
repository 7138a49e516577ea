"""The receipt of an answer: what answered, from what, at what effort."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from inference.energy import Effort
from inference.engine import Completed

NO_MODEL = Effort(0.0, "no model ran")


class Receipt(msgspec.Struct, frozen=True):
    """Everything an answer says about itself. Times in ms, energy in joules, cost in US dollars.

    ``stand_in`` marks a model that stands in for a larger one. ``digest`` is *checked* when the weights were
    compared with ``weights_sha256`` as they were loaded, *declared* when somebody else's word is all there is.
    ``check`` is *supported*, *not_supported* with the reasons in ``check_reasons``, or null where no model wrote.
    ``ai_generated`` says whether a model wrote the answer, ``watermark_key`` the id of the key its words are marked
    with. Receipts given before these fields existed lack them, and what is not set is left out: their seals hold.
    """

    rung: str
    language: str
    request_id: str
    tier: str | None = None
    hardware: str | None = None
    model: str | None = None
    model_name: str | None = None
    weights_sha256: str | None = None
    stand_in: bool = False
    digest: str | None = None
    adapter_sha256: str | None = None
    passages: list[str] = []
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    usage_counted: bool = True
    first_token_ms: int = 0
    duration_ms: int = 0
    check: str | None = None
    check_reasons: list[str] = []
    cost: float = 0.0
    energy_j: dict[str, float] = {}
    method: str = NO_MODEL.method
    ai_generated: bool | UnsetType = UNSET
    watermark_key: str | UnsetType = UNSET

    def canonical(self) -> bytes:
        """Return the bytes a seal is made over: JSON, keys sorted."""
        return msgspec.json.encode(self, order="sorted")

    def as_dict(self) -> dict[str, Any]:
        return dict(msgspec.to_builtins(self))


def without_model(*, rung: str, language: str, request_id: str, passages: list[str], duration_ms: int) -> Receipt:
    """Return the receipt of an answer that no model wrote."""
    return Receipt(
        rung=rung,
        language=language,
        request_id=request_id,
        passages=passages,
        first_token_ms=duration_ms,
        duration_ms=duration_ms,
        energy_j=NO_MODEL.energy_j,
        ai_generated=False,
    )


def of_completion(
    completed: Completed,
    *,
    language: str,
    request_id: str,
    passages: list[str],
    public_tokens: int,
    check_reasons: tuple[str, ...],
) -> Receipt:
    """Return the receipt of a completion.

    ``cached_tokens`` is at most ``public_tokens``, the part of the prompt anyone could know: more
    would tell one reader what another has asked.
    """
    served, usage = completed.served, completed.usage
    return Receipt(
        rung=served.tier,
        language=language,
        request_id=request_id,
        tier=served.tier,
        hardware=served.hardware,
        model=served.public_id,
        model_name=served.name,
        weights_sha256=served.weights_sha256 or None,
        stand_in=served.stand_in,
        digest=("checked" if served.digest_checked else "declared") if served.weights_sha256 else None,
        passages=passages,
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=min(usage.cached_tokens, public_tokens),
        completion_tokens=usage.completion_tokens,
        usage_counted=usage.counted,
        first_token_ms=completed.first_token_ms,
        duration_ms=completed.duration_ms,
        check="not_supported" if check_reasons else "supported",
        check_reasons=list(check_reasons),
        cost=completed.effort.cost_usd,
        energy_j=completed.effort.energy_j,
        method=completed.effort.method,
        ai_generated=True,
        watermark_key=served.watermark_key or UNSET,
    )
