"""Plans and prices for machines, for pages that a script fills, and on a page of their own that needs none."""

import msgspec
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe

from inference.facts import KEPT_S
from inference.price_list import price_list


@require_safe
async def prices(request: HttpRequest) -> HttpResponse:
    """Plans and prices: the same for everyone, so any cache may keep them for a minute."""
    found = await price_list.current()
    response = HttpResponse(msgspec.json.encode(found), content_type="application/json")
    response["Cache-Control"] = f"public, max-age={KEPT_S:.0f}"
    return response


@require_safe
async def prices_page(request: HttpRequest, language: str) -> HttpResponse:
    """The same on a page without script. The last list that was read stands while the database is away."""
    found, current = await price_list.known()
    with translation.override(language):
        plans = [(plan, plan.summary[language]) for plan in found.plans] if found else []
        context = {"prices": found, "plans": plans, "current": current}
        response = render(request, "inference/prices.html", context, status=200 if found else 503)
        response["Content-Language"] = language
        return response
