"""The evidence for whoever wants to keep or check it: each record as it was digested, and the daily heads as a feed."""

from collections.abc import AsyncIterator, Iterator

from django.conf import settings
from django.db import DatabaseError
from django.utils.dateparse import parse_datetime
from django.utils.feedgenerator import Atom1Feed

from compliance import chain, heads
from compliance.database import in_thread
from compliance.models import EvidenceRecord

EXPORTED = "evidence/chain.jsonl"
PAGE = 500
FEED_DAYS = 30


def lines(*, after: int = 0) -> Iterator[bytes]:
    """Yield every record behind number ``after`` as ``chain.line``, a page of the table at a time."""
    while page := page_of_lines(after):
        yield page[1]
        after = page[0]


async def lines_as_they_come(*, after: int = 0) -> AsyncIterator[bytes]:
    """Yield what ``lines`` does, in pages that are read while nobody's thread is held."""
    while page := await in_thread(page_of_lines, after):
        yield page[1]
        after = page[0]


def page_of_lines(after: int) -> tuple[int, bytes] | None:
    """Return the next page: the number of its last record, and its lines. None when nothing follows."""
    records = list(EvidenceRecord.objects.filter(number__gt=after).order_by("number")[:PAGE])
    return (records[-1].number, b"".join(chain.line(each) for each in records)) if records else None


def exported() -> dict[str, bytes]:
    """Return the evidence as a file of the exported site; nothing where no database answers, or it has no record.

    Not under the address of the application, where a copy of yesterday would hide the records of today.
    """
    try:
        content = b"".join(lines())
    except DatabaseError:
        return {}
    return {EXPORTED: content} if content else {}


def feed_of_heads() -> str:
    """Return the heads of the last 30 days as an Atom feed (RFC 4287), newest first. In English: it is for machines."""
    address = f"{settings.SITE_URL}/api/evidence/heads"
    atom = Atom1Feed(
        title=f"{settings.SITE_NAME} · heads of the records",
        link=address,
        description="",
        subtitle="One entry a day: the last record of each chain. Keep one, and everything before it can be checked.",
        language="en",
        author_name=settings.SITE_NAME,
        feed_url=f"{address}.atom",
    )
    for head in heads.published(FEED_DAYS):
        state = "intact" if head.intact else "BROKEN"
        atom.add_item(
            title=f"{head.day}: {state}",
            link=address,
            description=f"audit {head.audit}\nevidence {head.evidence}\nrecord {head.record}",
            unique_id=f"{address}#{head.record}",
            pubdate=parse_datetime(head.at),
            updateddate=parse_datetime(head.at),
        )
    return atom.writeString("utf-8")
