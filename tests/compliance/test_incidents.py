"""Incidents: a clock for a breach, one way forward, and a record when one is opened and when it is closed."""

import datetime

import pytest
from django.db.models import F

from accounts.models import User
from compliance import evidence, incidents
from compliance.errors import NotOpen
from compliance.models import AuditEntry, EvidenceRecord, Incident


def opened(by: User, kind: str = "personal_data") -> Incident:
    return incidents.open_incident(kind=kind, severity="high", source="staff", by=by)


def earlier(**ago: float) -> None:
    """Let every incident have been opened so long ago."""
    by = datetime.timedelta(**ago)
    Incident.objects.update(opened_at=F("opened_at") - by, deadline=F("deadline") - by)


def test_a_breach_of_personal_data_is_to_be_notified_within_72_hours(dana: User) -> None:
    breach, wrong = opened(dana), opened(dana, kind="wrong_answer")

    assert breach.deadline == breach.opened_at + datetime.timedelta(hours=72)
    assert wrong.deadline is None


def test_opening_and_closing_are_on_record_and_what_lies_between_is_in_the_log(dana: User) -> None:
    incident = opened(dana)
    incidents.move(incident, to="triaged", by=dana)
    incidents.describe(incident, summary_en="A list was public.", summary_fr="", notes="Ask the host.", by=dana)
    incidents.move(incident, to="notified", by=dana)

    closed = incidents.close(incident, outcome="resolved", by=dana)

    first, last = EvidenceRecord.objects.filter(kind="incident").order_by("number")
    assert (first.body["state"], last.body["state"], last.body["outcome"]) == ("opened", "closed", "resolved")
    assert first.body["incident"] == last.body["incident"] == str(closed.public_id)
    assert len(last.body["summary_sha256"]["en"]) == 64
    assert last.body["summary_sha256"]["fr"] == ""
    said = [(entry.action, entry.changes.get("after")) for entry in AuditEntry.objects.order_by("number")]
    assert said == [
        ("incident.opened", {"kind": "personal_data", "severity": "high", "source": "staff"}),
        ("incident.moved", {"state": "triaged"}),
        ("incident.described", {"notes": True, "summary_en": True}),
        ("incident.moved", {"state": "notified"}),
        ("incident.closed", {"state": "closed", "outcome": "resolved"}),
    ]


def test_an_incident_goes_forward_and_never_back(dana: User) -> None:
    incident = opened(dana, kind="outage")
    incidents.move(incident, to="contained", by=dana)

    for target in ("triaged", "contained", "opened", "closed"):
        with pytest.raises(NotOpen):
            incidents.move(incident, to=target, by=dana)
    incidents.close(incident, outcome="resolved", by=dana)
    with pytest.raises(NotOpen):
        incidents.close(incident, outcome="resolved", by=dana)


def test_a_breach_that_nobody_was_told_of_is_not_simply_resolved(dana: User) -> None:
    incident = opened(dana)

    with pytest.raises(NotOpen):
        incidents.close(incident, outcome="resolved", by=dana)

    assert incidents.close(incident, outcome="no_risk", by=dana).outcome == "no_risk"


def test_what_is_no_kind_is_refused_and_leaves_nothing(dana: User) -> None:
    with pytest.raises(ValueError, match="fire"):
        opened(dana, kind="fire")

    assert not Incident.objects.exists()
    assert evidence.latest("incident") is None


def test_a_deadline_that_nears_and_one_that_is_past_are_alarms(dana: User) -> None:
    incident = opened(dana)
    incidents.move(incident, to="triaged", by=dana)
    calm = incidents.deadline_alarm()
    earlier(hours=49)
    nearing = incidents.deadline_alarm()
    earlier(hours=24)
    late = incidents.deadline_alarm()
    incidents.move(incident, to="notified", by=dana)

    assert not calm
    assert "must be notified by" in str(nearing[0])
    assert "should have been notified by" in str(late[0])
    assert not incidents.deadline_alarm()


def test_what_nobody_triaged_within_a_working_day_is_an_alarm(dana: User) -> None:
    opened(dana, kind="misuse")
    assert not incidents.deadline_alarm()

    earlier(days=4)

    assert [str(each) for each in incidents.deadline_alarm()] == ["1 incident was not triaged within a working day."]


@pytest.mark.parametrize(("day", "due"), [("2026-11-19", "2026-11-20"), ("2026-11-20", "2026-11-23"),
                                          ("2026-11-21", "2026-11-23"), ("2026-11-22", "2026-11-23")])  # fmt: skip
def test_a_working_day_leaves_out_the_weekend(day: str, due: str) -> None:
    moment = datetime.datetime.fromisoformat(f"{day}T15:00:00+00:00")

    assert f"{incidents.triage_due(moment):%Y-%m-%d}" == due
