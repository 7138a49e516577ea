"""The day's heads by mail to the team: the owner of the database cannot compute anew what lies in a mailbox."""

from typing import Any

from django.conf import settings

from accounts import mailqueue
from compliance import heads
from compliance.chain import Head
from compliance.models import EvidenceRecord
from compliance.signals import day_checked

NAME = "chain-head"


def register() -> None:
    """Tell the registries. Called once, when the apps are ready."""
    mailqueue.team_template(NAME, heads_of)
    day_checked.connect(on_day_checked, dispatch_uid="siteproject.head_mail")


def on_day_checked(sender: type[EvidenceRecord], *, record: EvidenceRecord, **_kwargs: Any) -> None:
    """Receive ``compliance.signals.day_checked``."""
    mailqueue.queue_to_team(NAME, str(record.number))


def heads_of(object_id: str) -> dict[str, Any] | None:
    """Return what the mail says; None for a record that is not there."""
    record = EvidenceRecord.objects.filter(kind=heads.KIND, number=int(object_id)).first()
    if record is None:
        return None
    return {
        "day": f"{record.at:%Y-%m-%d}",
        "intact": record.body["intact"],
        "audit": record.body["audit"],
        "evidence": record.body["evidence"],
        "head": str(Head(record.number, record.sha256)),
        "url": f"{settings.SITE_URL}/api/evidence/chain.jsonl",
    }
