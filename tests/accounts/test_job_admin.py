"""Jobs on the staff's workbench: read without an address, and taken up again by one action."""

import pytest
from django.test import Client

from accounts import closing, export, mailqueue
from accounts.models import AccountClosure, DataExport, QueuedMail, User
from compliance import alarms
from compliance.models import AuditEntry
from tests.signed_in import sign_in_as_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    """Somebody whose mail, export and erasure have all failed."""
    person = User.objects.create_user("alice@example.org")
    export.request(person)
    mailqueue.queue(person, "export-ready", "x")
    closing.close(person)
    for model in (QueuedMail, DataExport, AccountClosure):
        model.objects.update(state="failed", tries=3)
    return person


@pytest.fixture
def staff(client: Client, dana: User) -> Client:
    sign_in_as_staff(client, dana)
    return client


@pytest.mark.parametrize("name", ["queuedmail", "dataexport", "accountclosure"])
def test_a_job_is_read_without_the_address_of_its_person(staff: Client, alice: User, name: str) -> None:
    pages = [staff.get(f"/admin/accounts/{name}/")]
    row = {"queuedmail": QueuedMail, "dataexport": DataExport, "accountclosure": AccountClosure}[name].objects.get()
    pages.append(staff.get(f"/admin/accounts/{name}/{row.pk}/change/"))

    assert [page.status_code for page in pages] == [200, 200]
    assert not [page for page in pages if b"alice@example.org" in page.content]
    assert all(str(alice.public_id).encode() in page.content for page in pages)


def test_what_was_given_up_is_tried_again_with_all_its_tries(staff: Client, alice: User) -> None:
    closure = AccountClosure.objects.get()

    form = {"action": "retry", "_selected_action": [closure.pk]}
    staff.post("/admin/accounts/accountclosure/", form)

    closure.refresh_from_db()
    assert (closure.state, closure.tries) == ("requested", 0)
    assert AuditEntry.objects.latest("number").action == "job.retried"
    assert closing.erase(closure.pk)


def test_an_export_is_not_taken_up_again_beside_a_newer_one(staff: Client, alice: User) -> None:
    failed = DataExport.objects.get()
    export.request(alice)

    staff.post("/admin/accounts/dataexport/", {"action": "retry", "_selected_action": [failed.pk]})

    failed.refresh_from_db()
    assert failed.state == DataExport.State.FAILED


def test_what_failed_is_an_alarm(alice: User) -> None:
    found = {alarm.id for alarm in alarms.active()}

    assert {"accounts.mail", "accounts.export", "accounts.erasure"} <= found
