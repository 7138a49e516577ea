"""What anybody may keep: the daily heads of both chains."""

from dataclasses import asdict

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from compliance import heads

KEPT_S = 300


@require_safe
def evidence_heads(request: HttpRequest) -> JsonResponse:
    """The heads of the last 30 days, newest first; the same for everyone, so any cache may keep them."""
    response = JsonResponse([asdict(head) for head in heads.published()], safe=False)
    response["Cache-Control"] = f"public, max-age={KEPT_S}"
    return response
