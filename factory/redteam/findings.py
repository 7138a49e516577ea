"""What red-team runs have found, and what staff decide about it: somebody owns it, and accepting it ends on a day."""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from compliance import audit, evidence
from factory.models import Finding

KIND = "finding"
LONGEST_ACCEPTANCE = datetime.timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Seen:
    """The hits of one probe at one target in one run; the outputs themselves stay in the run's file."""

    target: str
    model: str
    probe: str
    hits: int
    output_sha256: str


class NotAccepted(Exception):
    """An acceptance without an owner, without a reason, or for too long; ``code`` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@transaction.atomic
def see(seen: Iterable[Seen], *, record: int) -> list[Finding]:
    """Write down what a run hit; ``record`` is the number of its evidence.

    What was fixed and comes back is open again, and so is what was accepted and now happens more often.
    """
    now = timezone.now()
    found = []
    for each in seen:
        named = {"target": each.target, "model": each.model, "probe": each.probe}
        fresh = {"first_seen": now, "last_seen": now, "hits": each.hits, "output_sha256": each.output_sha256}
        finding, made = Finding.objects.select_for_update().get_or_create(
            **named, defaults=fresh | {"last_record": record}
        )
        if not made:
            finding.last_seen, finding.hits = now, each.hits
            finding.output_sha256, finding.last_record = each.output_sha256, record
            if finding.state == Finding.State.FIXED or each.hits > finding.accepted_hits:
                finding.state = Finding.State.OPEN
            finding.save()
        found.append(finding)
    return found


@transaction.atomic
def decide(
    finding: Finding,
    *,
    by: User,
    state: str,
    owner: User | None = None,
    reason: str = "",
    expires_on: datetime.date | None = None,
    note: str = "",
) -> None:
    """Accept a finding until a day, say that it is mended, or open it again. Raises NotAccepted.

    A mended one that the next run hits is open again by itself.
    """
    accepted = state == Finding.State.ACCEPTED
    if accepted and owner is None:
        raise NotAccepted("no_owner")
    if accepted and reason not in Finding.Reason.values:
        raise NotAccepted("no_reason")
    if accepted and (expires_on is None or not may_end_on(expires_on)):
        raise NotAccepted("no_such_day")
    row = Finding.objects.select_for_update(no_key=True).get(pk=finding.pk)
    before = _facts(row)
    row.state, row.owner, row.note = state, owner, note
    row.reason, row.expires_on = (reason, expires_on) if accepted else ("", None)
    row.accepted_hits = row.hits if accepted else 0
    row.save(update_fields=["state", "owner", "note", "reason", "expires_on", "accepted_hits"])
    after = _facts(row)
    if after != before:
        evidence.record(KIND, _public(row))
    audit.record(
        "factory.finding-decided",
        actor=by,
        object_kind="finding",
        object_id=row.public_id,
        before=before,
        after=after,
    )


def may_end_on(day: datetime.date) -> bool:
    """Whether an acceptance may end on ``day``: after today, and not so late that nobody remembers it."""
    today = timezone.now().date()
    return today < day <= today + LONGEST_ACCEPTANCE


def blocking(now: datetime.datetime | None = None) -> list[Finding]:
    """Return the findings that nobody has accepted, or whose acceptance is over, by target and probe."""
    today = (now or timezone.now()).date()
    return [each for each in Finding.objects.exclude(state=Finding.State.FIXED) if not each.is_accepted_on(today)]


def undecided(record: int, hits: Mapping[str, int], *, target: str, model: str) -> list[str]:
    """Return the probes that hit in the newest run, number ``record``, and that nobody lives with as they are.

    ``hits`` of each probe. Marking one as fixed does not take it away: only a run in which it is silent shows that.
    """
    today = timezone.now().date()
    rows = {each.probe: each for each in Finding.objects.filter(target=target, model=model, last_record=record)}
    return [
        probe
        for probe, count in sorted(hits.items())
        if count
        and not ((row := rows.get(probe)) and row.is_accepted_on(today) and row.owner_id and count <= row.accepted_hits)
    ]


def expired(now: datetime.datetime | None = None) -> list[Finding]:
    """Return the findings that were accepted until a day that is over."""
    today = (now or timezone.now()).date()
    return list(Finding.objects.filter(state=Finding.State.ACCEPTED, expires_on__lte=today))


def _public(row: Finding) -> dict[str, object]:
    """Return what the evidence says of a decision: no owner and no note, which name people."""
    return {
        "finding": str(row.public_id),
        "state": str(row.state),
        "target": row.target,
        "model": row.model,
        "probe": row.probe,
        "hits": row.hits,
        "reason": str(row.reason),
        "expires_on": row.expires_on.isoformat() if row.expires_on else "",
        "record": row.last_record,
    }


def _facts(row: Finding) -> dict[str, audit.Value]:
    return {
        "state": str(row.state),
        "owner": str(row.owner.public_id) if row.owner else None,
        "reason": str(row.reason),
        "expires_on": row.expires_on.isoformat() if row.expires_on else None,
        "hits": row.hits,
    }
