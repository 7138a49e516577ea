"""The staff's side of the records: signing, withdrawing, incidents, literacy sessions, and the gates at a glance."""

import time
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from compliance import attestations, evidence, gates
from compliance.models import Attestation, AuditEntry, Incident, LiteracySession
from compliance.statements import statement
from tests.signed_in import sign_in, sign_in_as_staff

LIST = "/admin/compliance/attestation/"
SIGN = f"{LIST}attest/licences/"
MINE = {"name": "Dana Example", "role": "legal", "read": "on"}


@pytest.fixture
def release(db: None) -> None:
    evidence.record("release", {"name": "2026.11", "artifacts": {}, "models": []}, release="2026.11")


def test_a_person_reads_a_statement_signs_it_and_takes_it_back(staff_client: Client, dana: User, release: None) -> None:
    listed = staff_client.get(LIST).content.decode()
    page = staff_client.get(SIGN).content.decode()
    refused = staff_client.post(SIGN, MINE | {"read": ""})
    assert "nobody has attested it (one person)" in listed
    assert statement("licences").text_en.split(".")[0] in page
    assert statement("licences").sha256 in page
    assert refused.status_code == 200
    assert not Attestation.objects.exists()

    signed = staff_client.post(SIGN, MINE, follow=True)

    row = Attestation.objects.get()
    assert (row.person, row.name, row.role) == (dana.public_id, "Dana Example", "legal")
    assert "Dana Example" in signed.content.decode()
    assert attestations.outcome(statement("licences")).state == "pass"
    again = staff_client.post(SIGN, MINE, follow=True)
    assert "nothing was added" in again.content.decode()

    address = f"{LIST}{row.pk}/change/"
    assert staff_client.post(address, {"withdrawal_reason": ""}).status_code == 200
    assert staff_client.post(address, {"withdrawal_reason": "no_longer_true"}).status_code == 302

    assert attestations.outcome(statement("licences")).state == "fail"
    assert [entry.action for entry in AuditEntry.objects.filter(object_kind="attestation")] == [
        "attestation.made",
        "attestation.withdrawn",
    ]
    assert staff_client.post(address, {"withdrawal_reason": "replaced"}).status_code == 403


def test_nobody_signs_before_a_release_is_on_record(staff_client: Client) -> None:
    page = staff_client.get(SIGN, follow=True)

    assert "No release is on record" in page.content.decode()
    assert staff_client.get(f"{LIST}attest/nothing/").status_code == 404


def test_whoever_signs_has_just_proven_who_they_are(client: Client, dana: User, release: None) -> None:
    sign_in(client, dana, "code", "mfa", at=time.time() - 3600)

    for response in (client.get(SIGN), client.post(SIGN, MINE)):
        assert response.status_code == 302
        assert "/accounts/proof/" in response["Location"]
    assert not Attestation.objects.exists()


def test_staff_without_the_permission_sign_nothing(client: Client, release: None) -> None:
    reader = User.objects.create_user("erin@example.org", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename="view_attestation"))
    sign_in_as_staff(client, reader)

    assert "Read and attest" not in client.get(LIST).content.decode()
    assert client.get(SIGN).status_code == 403
    assert client.post(SIGN, MINE).status_code == 403
    assert client.get("/admin/compliance/evidencerecord/gates/").status_code == 403


def test_an_incident_is_opened_described_moved_and_closed(staff_client: Client) -> None:
    opened = {"kind": "personal_data", "severity": "high", "source": "staff"}
    assert staff_client.post("/admin/compliance/incident/add/", opened).status_code == 302
    incident = Incident.objects.get()
    address = f"/admin/compliance/incident/{incident.pk}/change/"
    said: dict[str, Any] = {
        "summary_en": "A list was public.",
        "summary_fr": "",
        "notes": "",
        "step": "",
        "closing": "",
    }

    page = staff_client.get(address).content.decode()
    unwatched = staff_client.post(address, said | {"closing": "resolved"})
    moved = staff_client.post(address, said | {"step": "contained"})
    back = staff_client.post(address, said | {"step": "triaged"})
    closed = staff_client.post(address, said | {"step": "notified", "closing": "resolved"})

    incident.refresh_from_db()
    assert "/admin/inference/model/" in page
    assert [each.status_code for each in (unwatched, moved, back, closed)] == [200, 302, 200, 302]
    assert (incident.state, incident.outcome, incident.summary_en) == ("closed", "resolved", "A list was public.")
    assert incident.notified_at
    assert staff_client.post(address, said | {"notes": "later"}).status_code == 403


def test_a_literacy_session_is_written_down_once(staff_client: Client) -> None:
    held = {"held_on": "2026-11-20", "audience": "reviewers", "content_version": "2026-11", "attendance": "3",
            "owner": "Dana Example"}  # fmt: skip

    assert staff_client.post("/admin/compliance/literacysession/add/", held).status_code == 302

    session = LiteracySession.objects.get()
    assert evidence.latest("literacy")
    assert staff_client.get(f"/admin/compliance/literacysession/{session.pk}/change/").status_code == 200
    assert staff_client.post(f"/admin/compliance/literacysession/{session.pk}/change/", held).status_code == 403


def test_the_newest_run_of_each_gate_is_on_one_page(staff_client: Client) -> None:
    assert "No run of a gate" in staff_client.get("/admin/compliance/evidencerecord/gates/").content.decode()
    for state in ("fail", "pass"):
        results = [
            gates.Result("one", "one", state, "seen <b>", 1),
            gates.Result("two", "two", "not_run", "nobody did"),
        ]
        evidence.record("gate", gates.said("ai-act", results))

    page = staff_client.get("/admin/compliance/evidencerecord/gates/").content.decode()

    assert page.count("manage.py gate ai-act") == 1
    assert page.index("two") < page.index("one</code>")
    assert "1 check keeps it closed." in page
    assert "seen &lt;b&gt;" in page
