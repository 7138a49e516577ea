"""Literacy sessions (AI Act, article 4): when, for whom, which content, how many took part, and who held it."""

import datetime
import secrets

from django.db import transaction

from compliance import audit, evidence
from compliance.chain import Head
from compliance.models import LiteracySession

KIND = "literacy"
REFRESH = datetime.timedelta(days=365)


@transaction.atomic
def hold(
    *, held_on: datetime.date, audience: str, content_version: str, attendance: int, owner: str, by: audit.Person
) -> LiteracySession:
    """Put a session on record. ``owner`` is the name of who held it: in public stands its salted digest."""
    session = LiteracySession(
        held_on=held_on,
        audience=audience,
        content_version=content_version,
        attendance=attendance,
        owner=owner,
        salt=secrets.token_hex(32),
        refresh_by=held_on + REFRESH,
    )
    record = evidence.record(
        KIND,
        {
            "held_on": f"{held_on:%Y-%m-%d}",
            "audience": audience,
            "content_version": content_version,
            "attendance": attendance,
            "owner": audit.salted(session.salt, owner),
            "refresh_by": f"{session.refresh_by:%Y-%m-%d}",
        },
    )
    session.evidence = str(Head(record.number, record.sha256))
    session.save(force_insert=True)
    audit.record(
        "literacy.held",
        actor=by,
        object_kind="literacy-session",
        object_id=session.pk,
        audience=audience,
        attendance=attendance,
        evidence=record.number,
    )
    return session
