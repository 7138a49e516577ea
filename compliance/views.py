"""What anybody may keep: the daily heads of both chains, and the whole evidence."""

from collections.abc import AsyncIterator
from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_safe

from compliance import heads, publishing
from compliance.database import in_thread

KEPT_S = 300
CHAIN_KEPT_S = 60
HIGHEST = 2**63 - 1  # PostgreSQL's bigint


@require_safe
def evidence_heads(request: HttpRequest) -> JsonResponse:
    """The heads of the last 30 days, newest first; the same for everyone, so any cache may keep them."""
    response = JsonResponse([asdict(head) for head in heads.published()], safe=False)
    response["Cache-Control"] = f"public, max-age={KEPT_S}"
    return response


@require_safe
def evidence_heads_feed(request: HttpRequest) -> HttpResponse:
    """The same heads for a feed reader."""
    response = HttpResponse(publishing.feed_of_heads(), content_type="application/atom+xml; charset=utf-8")
    response["Cache-Control"] = f"public, max-age={KEPT_S}"
    return response


@require_safe
async def evidence_chain(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Every record of evidence behind number ``after``, a canonical JSON line each, for ``bin/verify-chain``."""
    after = request.GET.get("after", "0")
    if not (after.isascii() and after.isdigit() and len(after) < 20 and int(after) <= HIGHEST):
        return HttpResponse("after is the number of a record\n", status=400, content_type="text/plain")
    first = await in_thread(publishing.page_of_lines, int(after))  # so that a database that is away is a 500 in time
    response = StreamingHttpResponse(_from(first), content_type="application/jsonl; charset=utf-8")
    response["Cache-Control"] = f"public, max-age={CHAIN_KEPT_S}"
    return response


async def _from(first: tuple[int, bytes] | None) -> AsyncIterator[bytes]:
    if first is None:
        return
    yield first[1]
    async for page in publishing.lines_as_they_come(after=first[0]):
        yield page
