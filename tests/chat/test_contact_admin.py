"""The team's side of a message: the list, due first, and one screen with every act on it."""

import datetime
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts.models import QueuedMail, User
from chat.contact import messages, thread
from chat.contact.drafts import draft
from chat.models import TeamMessage
from compliance.models import AuditEntry, EvidenceRecord, Incident
from siteproject import admin_home
from tests.signed_in import sign_in_as_staff

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(2)> \u202egnp.exe {{ 7|add:7 }} [x](javascript:alert(3))"
LIST = "/admin/chat/teammessage/"


@pytest.fixture(autouse=True)
def team(settings: Any) -> None:
    settings.TEAM_EMAIL = "team@example.org"


def send(text: str = "Hello", *, kind: str = "support", reply_to: str = "bob@example.org") -> TeamMessage:
    written = draft(id=str(uuid.uuid4()), kind=kind, language="en", text=text, reply_to=reply_to)
    return messages.send(written, user=None, now=timezone.now()).message


def screen(client: Client, message: TeamMessage) -> str:
    response = client.get(f"{LIST}{message.pk}/change/")
    assert response.status_code == 200
    return response.content.decode()


def test_the_list_shows_what_is_due_first_and_what_is_late_and_no_text(staff_client: Client) -> None:
    later, first = send("a secret of mine", kind="privacy"), send(kind="incident")
    TeamMessage.objects.filter(pk=first.pk).update(due_at=Now() - datetime.timedelta(hours=1))

    page = staff_client.get(LIST).content.decode()

    assert page.index(f"/{first.pk}/change/") < page.index(f"/{later.pk}/change/")
    assert "past its time" in page and "a secret of mine" not in page
    assert f"/{later.pk}/change/" not in staff_client.get(f"{LIST}?due=overdue").content.decode()


def test_hostile_text_is_text_on_the_screen(staff_client: Client) -> None:
    page = screen(staff_client, send(HOSTILE))

    assert "<script>alert(1)" not in page and "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "{{ 7|add:7 }}" in page
    assert "\u202e" not in page and "U+202E" in page and "<bdi>" in page


def test_a_message_is_taken_answered_and_closed_by_its_buttons(staff_client: Client, dana: User) -> None:
    message = send()

    for name, fields in (
        ("take", {}),
        ("kind", {"kind": "press"}),
        ("answer", {"text": "Here is the answer."}),
        ("close", {}),
    ):
        done = staff_client.post(f"{LIST}{message.pk}/{name}/", fields)
        assert done.status_code == 302, name

    message.refresh_from_db()
    assert (message.owner, message.kind, message.state) == (dana, "press", "closed")
    assert QueuedMail.objects.filter(template=thread.REPLY).count() == 1
    page = screen(staff_client, message)
    assert "Here is the answer." in page and "Open it again" in page and "Take it" not in page


def test_an_answer_is_sent_once_by_whoever_presses_twice_and_by_two_at_once(staff_client: Client) -> None:
    message = send()
    address = f"/admin/chat/teammessage/{message.pk}/"
    form = staff_client.get(f"{address}change/").content.decode()

    answers = [staff_client.post(f"{address}answer/", {"text": "It is mended.", "seen": "0"}) for _press in range(2)]

    assert 'name="seen" value="0"' in form
    assert [each.status_code for each in answers] == [302, 400]
    assert message.replies.count() == 1
    assert "It is mended.</textarea>" in answers[1].content.decode()
    assert 'name="seen" value="1"' in answers[1].content.decode()


def test_a_message_becomes_one_incident_without_a_word_of_it(staff_client: Client) -> None:
    message = send("They can read my letters", kind="incident")
    act = f"{LIST}{message.pk}/incident/"

    assert staff_client.post(act, {"incident_kind": "gossip", "severity": "high"}).status_code == 400
    done = staff_client.post(act, {"incident_kind": "personal_data", "severity": "high"})
    assert done.status_code == 302

    incident = Incident.objects.get()
    message.refresh_from_db()
    assert message.incident == incident.public_id and incident.source == Incident.Source.CONTACT
    assert incident.deadline is not None
    assert "letters" not in str(list(EvidenceRecord.objects.values())) + str(list(AuditEntry.objects.values()))
    assert staff_client.post(act, {"incident_kind": "security", "severity": "low"}).status_code == 400
    assert str(incident.public_id) in screen(staff_client, message)


def test_a_refused_answer_keeps_what_was_typed(staff_client: Client) -> None:
    message = send()

    refused = staff_client.post(f"{LIST}{message.pk}/answer/", {"text": "half \x00 an answer"})

    assert refused.status_code == 400
    assert "Write an answer" in refused.content.decode() and "an answer</textarea>" in refused.content.decode()
    assert "No address was left" in screen(staff_client, send(reply_to=""))


def test_who_may_only_look_has_no_buttons_and_is_refused(db: None) -> None:
    helper = User.objects.create_user("carol@example.org", is_staff=True)
    helper.user_permissions.add(Permission.objects.get(codename="view_teammessage"))
    client, message = Client(), send()
    sign_in_as_staff(client, helper)

    assert "Take it" not in screen(client, message)
    assert client.post(f"{LIST}{message.pk}/take/").status_code == 403
    assert client.get(f"{LIST}{message.pk}/take/").status_code == 405
    helper.user_permissions.clear()
    assert client.get(f"{LIST}{message.pk}/change/").status_code == 403


def test_an_expired_message_is_not_there(staff_client: Client, dana: User) -> None:
    message = send()
    thread.close(message, by=dana)
    TeamMessage.objects.update(expires_at=Now() - datetime.timedelta(seconds=1))

    assert staff_client.get(f"{LIST}{message.pk}/change/").status_code == 404
    assert f"/{message.pk}/change/" not in staff_client.get(LIST).content.decode()


def test_the_first_page_of_the_admin_counts_what_is_open_and_what_is_late(dana: User) -> None:
    message = send()
    send(kind="privacy")
    TeamMessage.objects.filter(pk=message.pk).update(due_at=Now() - datetime.timedelta(hours=1))

    fact = next(each for each in admin_home.today(dana) if each.list_of is TeamMessage)

    assert fact.words == "2 open" and "1 is past its time" in fact.detail and fact.urgent
    assert fact.path == f"{LIST}?due=open"
