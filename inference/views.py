"""What machines and pages may know about answers and models."""

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from inference.facts import KEPT_S, live


@require_safe
async def facts(request: HttpRequest) -> HttpResponse:
    """Live figures for public pages: the same for everyone, so any cache may keep them for a minute."""
    found = await live.current()
    response = HttpResponse(msgspec.json.encode(found), content_type="application/json")
    response["Cache-Control"] = f"public, max-age={KEPT_S:.0f}"
    return response
