"""The door to the whole chain: each fetch reads every record, so an address may do that only so often."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from chat import limits
from chat.errors import RateLimited
from compliance import views
from compliance.addresses import address_name, client_address

RATE_LIMIT = "30/15m"


@require_safe
async def chain(request: HttpRequest) -> HttpResponseBase:
    """Give out the chain, or say when to come again."""
    address = client_address(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))
    try:
        await limits.take(f"chain:{address_name(address)}", RATE_LIMIT)
    except RateLimited as error:
        late = HttpResponse("Too many requests; try again later.\n", status=429, content_type="text/plain")
        late["Retry-After"] = str(error.retry_after_s)
        late["Cache-Control"] = "no-store"
        return late
    return await views.evidence_chain(request)
