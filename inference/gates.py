"""What the registry proves: how long a model may write before its text must carry a mark that can be found."""

from django.conf import settings

from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from inference.models import Model, Tier

# Free-form text beyond this needs a statistical watermark and a way to detect it (Code of Practice on marking and
# labelling of AI-generated content, 10 June 2026, measure 1.1.2). No model of ours has been shown to carry one.
LONGEST_UNMARKED_TOKENS = 200


@gate("answer-length", tags={"release", "ai-act"}, title="no model writes more than 200 tokens unmarked")
def length_gate() -> Outcome:
    """Compare the cap of every registered model; the engine cuts each answer there."""
    caps = {
        model.public_id: min(model.max_output_tokens, settings.CHAT_MAX_TOKENS[model.tier])
        for model in Model.objects.exclude(tier=Tier.EMBED).order_by("public_id")  # those write nothing
    }
    if not caps:
        return NotRun("no model is registered in this database")
    long = [f"{name} may write {cap}" for name, cap in caps.items() if cap > LONGEST_UNMARKED_TOKENS]
    if long:
        return Failed(", ".join(long))
    return Passed(", ".join(f"{name} {cap}" for name, cap in caps.items()))
