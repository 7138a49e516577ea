"""What the registry proves: how long a model may write before its text must carry a mark, and what it may do at all."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from compliance.models import EvidenceRecord
from compliance.tables import TableError
from inference import rights
from inference.models import Model, Tier

# Free-form text beyond this needs a statistical watermark and a way to detect it (Code of Practice on marking and
# labelling of AI-generated content, 10 June 2026, measure 1.1.2). No model of ours has been shown to carry one.
LONGEST_UNMARKED_TOKENS = 200
# What a record has to show before a model may write more: of so many long answers so large a share was found, in
# millionths, and not one of so many texts by people was taken for a model's.
LONG_ANSWERS, FOUND_PPM, HUMAN_TEXTS = 50, 950_000, 200


@dataclass(frozen=True, slots=True)
class Marking:
    """How long one model may write, and the number of the record that shows its mark; None where nothing does."""

    model: str
    cap: int
    record: int | None

    @property
    def is_short(self) -> bool:
        return self.cap <= LONGEST_UNMARKED_TOKENS


@gate(
    "watermark", tags={"release", "ai-act"}, title="no model writes more than 200 tokens without a mark that is found"
)
def watermark_gate() -> Outcome:
    """Compare the cap of every registered model that writes; the engine cuts each answer there."""
    found = [_marking(model) for model in Model.objects.exclude(tier=Tier.EMBED).order_by("public_id")]
    if not found:
        return NotRun("no model is registered in this database")
    long = [one for one in found if not one.is_short and one.record is None]
    if long:
        return Failed(", ".join(f"{one.model} may write {one.cap}" for one in long))
    shown = [f"{one.model} {one.cap}" + ("" if one.is_short else f" (record {one.record})") for one in found]
    return Passed(", ".join(shown), record=max((one.record or 0 for one in found if not one.is_short), default=None))


def _marking(model: Model) -> Marking:
    cap = min(model.max_output_tokens, settings.CHAT_MAX_TOKENS[model.tier])
    return Marking(model.public_id, cap, _detection(model))


def _detection(model: Model) -> int | None:
    """Return the number of the newest evaluation that shows the mark of these weights under this key."""
    if not model.watermark_key:
        return None
    about = {
        "body__model": model.public_id,
        "body__weights_sha256": model.weights_sha256,
        "body__watermark_key": model.watermark_key,
    }
    newest = EvidenceRecord.objects.filter(kind="evaluation", **about).order_by("-number").first()
    return newest.number if newest and _is_found(newest.body) else None


def _is_found(body: dict[str, Any]) -> bool:
    """Whether a record says that long answers were found and texts by people were not.

    Its metrics: ``watermark_detected`` over ``n`` answers of more than 200 tokens, ``watermark_false`` over ``n``
    texts by people; shares in millionths.
    """
    metrics = {metric["name"]: metric for metric in body["metrics"]}
    detected, wrong = metrics.get("watermark_detected", {}), metrics.get("watermark_false", {})
    return (
        detected.get("n", 0) >= LONG_ANSWERS
        and detected.get("value_ppm", 0) >= FOUND_PPM
        and wrong.get("n", 0) >= HUMAN_TEXTS
        and wrong.get("value_ppm", 1) == 0
    )


@gate("rights", tags={"release", "ai-act"}, title="no model may do more than the records about its oversight allow")
def rights_gate() -> Outcome:
    """Hold what the environment declares against the table, and the table against the evidence."""
    try:
        wrong = rights.ungranted(declared_capabilities())
    except TableError as error:
        return Failed(str(error))
    return Failed("; ".join(wrong)) if wrong else Passed(f"table of {rights.read().version}")


def declared_capabilities() -> list[tuple[str, list[str]]]:
    """Return (tier, capabilities) of every backend as the environment declares them, granted or not."""
    backends = ((Tier.SMALL, settings.LLM_CPU), (Tier.LARGE, settings.LLM_GPU), (None, settings.LLM_SLOW))
    return [(str(tier or each["tier"]), list(each["capabilities"])) for tier, each in backends]
