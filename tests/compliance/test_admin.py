"""Records in the admin: read by whoever may view them, written by nobody."""

import uuid

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import User
from compliance import audit, consents
from compliance.consents import Notice
from compliance.models import AuditEntry, ConsentEvent, EvidenceRecord, Purpose
from tests.signed_in import sign_in_as_staff

MODELS = {"consentevent": ConsentEvent, "auditentry": AuditEntry, "evidencerecord": EvidenceRecord}


@pytest.fixture
def viewer(client: Client, records: None) -> Client:
    """A member of staff who may view records and nothing else; one consent was given."""
    notice = Notice("1", "ab" * 32, "Keep my chats for 7 days.", "en")
    consents.record(uuid.uuid4(), Purpose.KEEP_CHATS, ConsentEvent.Action.GIVEN, notice, channel="account")
    reader = User.objects.create_user("dana@example.org", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__in=[f"view_{name}" for name in MODELS]))
    sign_in_as_staff(client, reader)
    return client


@pytest.mark.parametrize("name", MODELS)
def test_records_are_listed_and_shown(viewer: Client, name: str) -> None:
    row = MODELS[name]._default_manager.first()
    assert row

    assert viewer.get(f"/admin/compliance/{name}/").status_code == 200
    assert viewer.get(f"/admin/compliance/{name}/{row.pk}/change/").status_code == 200


@pytest.mark.parametrize("name", MODELS)
def test_even_a_superuser_adds_changes_and_deletes_none(staff_client: Client, records: None, name: str) -> None:
    assert staff_client.get(f"/admin/compliance/{name}/add/").status_code == 403
    for verb in ("change", "delete"):
        row = MODELS[name]._default_manager.first()
        if row:
            assert staff_client.post(f"/admin/compliance/{name}/{row.pk}/{verb}/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("name", MODELS)
def test_staff_without_the_permission_see_none(client: Client, records: None, name: str) -> None:
    sign_in_as_staff(client, User.objects.create_user("dana@example.org", is_staff=True))

    assert client.get(f"/admin/compliance/{name}/").status_code == 403


def test_the_audit_log_is_searched_by_object(viewer: Client) -> None:
    wanted = uuid.uuid4()
    audit.record("account.exported", actor=audit.SYSTEM, object_kind="user", object_id=wanted)

    page = viewer.get("/admin/compliance/auditentry/", {"q": str(wanted)})

    assert [entry.object_id for entry in page.context["cl"].queryset] == [str(wanted)]


def test_consents_are_searched_by_person(viewer: Client) -> None:
    event = ConsentEvent.objects.get()

    found = viewer.get("/admin/compliance/consentevent/", {"q": str(event.subject)})
    nothing = viewer.get("/admin/compliance/consentevent/", {"q": "not an id"})

    assert [row.pk for row in found.context["cl"].queryset] == [event.pk]
    assert not nothing.context["cl"].queryset
