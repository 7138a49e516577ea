"""Incidents: opened, triaged within a working day, contained, notified where the law asks for it, closed.

A breach of personal data starts a clock of 72 hours (GDPR, article 33). What stops a model at once is its switch
(``inference.switches``).
"""

import datetime
import hashlib

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from compliance import audit, evidence
from compliance.alarms import Sentence, alarm
from compliance.errors import NotOpen
from compliance.models import Incident

KIND = "incident"
NOTIFY_WITHIN = datetime.timedelta(hours=72)
WARN_BEFORE = datetime.timedelta(hours=24)
State, Outcome = Incident.State, Incident.Outcome
ORDER = (State.OPENED, State.TRIAGED, State.CONTAINED, State.NOTIFIED)


@transaction.atomic
def open_incident(*, kind: str, severity: str, source: str, by: audit.Person | str) -> Incident:
    """Open an incident and put it on record. Raises ValueError for a kind, severity or source that does not exist."""
    now = timezone.now()
    kind = Incident.Kind(kind)
    incident = Incident.objects.create(
        kind=kind,
        severity=Incident.Severity(severity),
        source=Incident.Source(source),
        opened_at=now,
        deadline=now + NOTIFY_WITHIN if kind == Incident.Kind.PERSONAL_DATA else None,
    )
    record = evidence.record(KIND, _public(incident))
    codes = {"kind": incident.kind, "severity": incident.severity, "source": incident.source}
    audit.record(
        "incident.opened",
        actor=by,
        object_kind="incident",
        object_id=incident.public_id,
        after={**codes},
        evidence=record.number,
    )
    return incident


@transaction.atomic
def move(incident: Incident, *, to: str, by: audit.Person) -> Incident:
    """Take an incident forward, a state may be left out. Raises NotOpen for any other way; ``close`` ends it."""
    found = _locked(incident)
    target = State(to)
    if target not in ORDER or ORDER.index(target) <= ORDER.index(State(found.state)):
        raise NotOpen(f"{found.state} to {to}")
    before = found.state
    found.state = target
    moment = f"{target}_at"
    setattr(found, moment, timezone.now())
    found.save(update_fields=["state", moment])
    audit.record(
        "incident.moved",
        actor=by,
        object_kind="incident",
        object_id=found.public_id,
        before={"state": before},
        after={"state": target},
    )
    return found


@transaction.atomic
def close(incident: Incident, *, outcome: str, by: audit.Person) -> Incident:
    """End an incident and put it on record. Raises NotOpen when it is closed, or when a breach of personal data
    that was notified to nobody is to be closed as if that needed no reason."""
    found = _locked(incident)
    result = Outcome(outcome)
    if found.deadline and found.notified_at is None and result == Outcome.RESOLVED:
        raise NotOpen("a breach that was not notified is unlikely to be a risk, or was a false alarm")
    before = found.state
    found.state, found.outcome, found.closed_at = State.CLOSED, result, timezone.now()
    found.save(update_fields=["state", "outcome", "closed_at"])
    record = evidence.record(KIND, _public(found))
    audit.record(
        "incident.closed",
        actor=by,
        object_kind="incident",
        object_id=found.public_id,
        before={"state": before},
        after={"state": State.CLOSED, "outcome": result},
        evidence=record.number,
    )
    return found


@transaction.atomic
def describe(incident: Incident, *, summary_en: str, summary_fr: str, notes: str, by: audit.Person) -> bool:
    """Write what readers are told and what staff note down. False when nothing was different."""
    found = Incident.objects.select_for_update().get(pk=incident.pk)
    wanted = {"summary_en": summary_en, "summary_fr": summary_fr, "notes": notes}
    changed = [name for name, text in wanted.items() if getattr(found, name) != text]
    if not changed:
        return False
    Incident.objects.filter(pk=found.pk).update(**wanted)
    facts: dict[str, audit.Value] = dict.fromkeys(changed, True)
    audit.record("incident.described", actor=by, object_kind="incident", object_id=found.public_id, after=facts)
    return True


def triage_due(opened_at: datetime.datetime) -> datetime.datetime:
    """Return one working day after a moment: Saturdays and Sundays (UTC) do not count."""
    due = opened_at + datetime.timedelta(days=1)
    while due.weekday() >= 5:
        due += datetime.timedelta(days=1)
    return due


@alarm("incidents")
def deadline_alarm() -> list[Sentence]:
    """Say what nobody has looked at for a working day, and which breach must be notified within a day or is late."""
    now = timezone.now()
    running = list(Incident.objects.exclude(state=State.CLOSED))
    unseen = sum(each.state == State.OPENED and triage_due(each.opened_at) <= now for each in running)
    due = [each for each in running if each.deadline and not each.notified_at and each.deadline - WARN_BEFORE <= now]
    found: list[Sentence] = []
    if unseen:
        text = ngettext(
            "%(n)d incident was not triaged within a working day.",
            "%(n)d incidents were not triaged within a working day.",
            unseen,
        )
        found.append(text % {"n": unseen})
    for each in due:
        late = each.deadline is not None and each.deadline <= now
        when = f"{each.deadline:%Y-%m-%d %H:%M} UTC"
        text = (
            gettext("A breach of personal data should have been notified by %(when)s.")
            if late
            else gettext("A breach of personal data must be notified by %(when)s, or closed with the reason why not.")
        )
        found.append(text % {"when": when})
    return found


def _locked(incident: Incident) -> Incident:
    found = Incident.objects.select_for_update().get(pk=incident.pk)
    if found.state == State.CLOSED:
        raise NotOpen("it is closed")
    return found


def _public(incident: Incident) -> dict[str, object]:
    """Return what everybody may know: codes and times; what staff wrote for readers by its digest."""
    texts = {"en": incident.summary_en, "fr": incident.summary_fr}
    return {
        "incident": str(incident.public_id),
        "kind": incident.kind,
        "severity": incident.severity,
        "source": incident.source,
        "state": incident.state,
        "opened_at": _moment(incident.opened_at),
        "deadline": _moment(incident.deadline),
        "closed_at": _moment(incident.closed_at),
        "outcome": incident.outcome,
        "summary_sha256": {
            language: hashlib.sha256(text.encode()).hexdigest() if text else "" for language, text in texts.items()
        },
    }


def _moment(moment: datetime.datetime | None) -> str | None:
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds") if moment else None
