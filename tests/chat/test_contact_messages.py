"""A message to the team: kept with its time, told without its words, answered by hand, closed, gone."""

import datetime
import json
import secrets
import uuid
from typing import Any

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts import closing, mailqueue
from accounts.models import QueuedMail, User
from billing import keys
from chat import retention
from chat.contact import alarms, messages, thread
from chat.contact.deadlines import FIRST_LOOK
from chat.contact.drafts import MAX_CHARS, draft
from chat.contact.errors import SentAlready, ThreadRefused, UnknownNumber
from chat.contact.messages import Sent
from chat.contact.people import exported
from chat.errors import AskRefused
from chat.models import TeamMessage
from compliance.models import AuditEntry

pytestmark = pytest.mark.django_db
SECRET = "My neighbour reads my conversations"
ADDRESS = "bob@example.org"


@pytest.fixture(autouse=True)
def team(settings: Any) -> None:
    settings.TEAM_EMAIL = "team@example.org"


@pytest.fixture
def client() -> Client:
    """A browser at an address of its own, so that no other test's messages count."""
    return Client(REMOTE_ADDR=".".join(str(part) for part in (10, *secrets.token_bytes(3))))


def send(text: str = SECRET, *, kind: str = "support", reply_to: str = "", user: User | None = None) -> Sent:
    written = draft(id=str(uuid.uuid4()), kind=kind, language="en", text=text, reply_to=reply_to)
    return messages.send(written, user=user, now=timezone.now())


def deliver() -> list[str]:
    """Send what is queued and due; return everything that went out, as text."""
    for row in QueuedMail.objects.due():
        mailqueue.send(row.pk)
    return [f"{each.to} {each.subject} {each.body} {getattr(each, 'alternatives', '')}" for each in mail.outbox]


@pytest.mark.parametrize(
    ("kind", "days"), [("incident", 3), ("privacy", 30), ("press", 7), ("sales", 7), ("support", 7), ("other", 7)]
)
def test_each_kind_is_due_when_its_law_or_our_promise_says(kind: str, days: int) -> None:
    message = send(kind=kind).message
    message.refresh_from_db()

    assert abs(message.due_at - message.received_at - datetime.timedelta(days=days)) < datetime.timedelta(seconds=5)


def test_the_team_is_told_without_a_word_of_it_and_nobody_writes_to_the_typed_address() -> None:
    sent = send(reply_to=ADDRESS)

    (out,) = deliver()
    assert "['team@example.org']" in out and "Article" not in out and "support" in out
    assert f"/admin/chat/teammessage/{sent.message.pk}/change/" in out
    assert SECRET not in out and ADDRESS not in out and sent.number not in out
    assert not QueuedMail.objects.exclude(user=None).exists()


def test_a_flood_of_messages_is_two_mails_and_none_is_lost() -> None:
    send()
    deliver()
    for _each in range(20):
        send()
    send(kind="incident")

    assert len(deliver()) == 2, "the first of each kind, at once"
    waiting = QueuedMail.objects.get(state="pending")
    assert waiting.due_at > timezone.now() + datetime.timedelta(minutes=9)
    QueuedMail.objects.update(due_at=timezone.now() - datetime.timedelta(hours=1))
    assert "21 messages of this kind wait" in deliver()[-1]


def test_a_notice_whose_messages_are_taken_is_not_sent(dana: User) -> None:
    thread.take(send().message, by=dana)

    assert deliver() == []
    assert QueuedMail.objects.get().state == QueuedMail.State.VOID


def test_without_an_address_of_the_team_the_alarm_counts_who_waits(settings: Any) -> None:
    settings.TEAM_EMAIL = ""

    send()

    assert not QueuedMail.objects.exists()
    assert [str(each) for each in alarms.messages_wait()] == [
        "TEAM_EMAIL is empty, 1 message waits and nobody was told."
    ]


def test_the_alarms_tell_of_what_is_late_and_of_an_incident_nobody_looked_at(dana: User) -> None:
    late, incident = send().message, send(kind="incident").message
    TeamMessage.objects.filter(pk=late.pk).update(due_at=Now() - datetime.timedelta(minutes=1))
    TeamMessage.objects.filter(pk=incident.pk).update(received_at=Now() - FIRST_LOOK - datetime.timedelta(minutes=1))

    assert len(alarms.messages_wait()) == 2

    thread.take(incident, by=dana)
    thread.close(late, by=dana)
    assert alarms.messages_wait() == []


def test_a_message_is_answered_by_hand_closed_and_gone_when_its_time_is_over(dana: User, settings: Any) -> None:
    sent = send("Where is my <b>invoice</b>?", reply_to=ADDRESS)
    deliver()
    mail.outbox.clear()

    thread.take(sent.message, by=dana)
    thread.answer(sent.message, "It is <on> its way.", by=dana)
    (out,) = deliver()
    assert f"['{ADDRESS}']" in out and "It is <on> its way." in out and "It is &lt;on&gt; its way." in out
    assert "invoice" not in out and mail.outbox[0].extra_headers["Auto-Submitted"] == "no"

    thread.close(sent.message, by=dana)
    message = messages.by_number(sent.number)
    assert message.state == "closed" and message.answered_at and message.expires_at
    kept = message.expires_at - (message.closed_at or timezone.now())
    assert kept == datetime.timedelta(days=settings.CONTACT_RETENTION_DAYS)

    TeamMessage.objects.update(expires_at=Now() - datetime.timedelta(seconds=1))
    with pytest.raises(UnknownNumber):
        messages.by_number(sent.number)
    assert not TeamMessage.objects.kept().exists(), "gone for readers before the sweep comes"
    retention.delete_expired()
    assert not TeamMessage.objects.exists()


def test_every_act_of_staff_is_in_the_audit_log_without_text_or_address(dana: User) -> None:
    message = send(reply_to=ADDRESS).message
    thread.take(message, by=dana)
    thread.change_kind(message, "privacy", by=dana)
    thread.answer(message, "Done.", by=dana)
    thread.close(message, by=dana)
    thread.reopen(message, by=dana)

    rows = AuditEntry.objects.filter(object_id=str(message.public_id)).order_by("number")
    assert [row.action.rpartition("-")[2] for row in rows] == [
        "sent",
        "taken",
        "kind",
        "answered",
        "closed",
        "reopened",
    ]
    assert rows[2].changes["before"] == {"kind": "support"} and rows[2].changes["after"] == {"kind": "privacy"}
    told = json.dumps([row.changes for row in rows])
    assert SECRET not in told and ADDRESS not in told and "Done." not in told
    message.refresh_from_db()
    assert message.state == "answered" and message.closed_at is message.expires_at is None
    assert message.due_at == message.received_at + datetime.timedelta(days=30)


def test_what_a_message_does_not_allow_is_refused(dana: User) -> None:
    message = send().message
    with pytest.raises(ThreadRefused, match="No address"):
        thread.answer(message, "Hello", by=dana)
    with pytest.raises(ThreadRefused):
        thread.reopen(message, by=dana)
    thread.close(message, by=dana)
    for act in (thread.take, thread.close):
        with pytest.raises(ThreadRefused, match="closed"):
            act(message, by=dana)


def test_an_answer_to_a_message_that_its_sender_deleted_is_not_sent(dana: User) -> None:
    sent = send(reply_to=ADDRESS)
    thread.answer(sent.message, "Hello", by=dana)

    messages.delete(sent.number)

    assert deliver() == [] and not TeamMessage.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", " \n "),
        ("text", "x" * (MAX_CHARS + 1)),
        ("text", "a\x00b"),
        ("text", "a\x1b[31mb"),
        ("text", "\ud800"),
        ("text", "my key is KEY"),
        ("reply_to", "not an address"),
        ("reply_to", "a@b@c"),
        ("reply_to", "bob@example.org\nBcc: carol@example.org"),
        ("kind", "gossip"),
        ("language", "xx"),
        ("id", "1"),
    ],
)
def test_junk_is_refused_with_its_field(field: str, value: str) -> None:
    value = value.replace("KEY", keys.new_text())
    written = {"id": str(uuid.uuid4()), "kind": "other", "language": "en", "text": "Hello", field: value}

    with pytest.raises(AskRefused) as refused:
        draft(**written)

    assert refused.value.field == field


def test_a_draft_that_is_sent_twice_is_one_message() -> None:
    written = draft(id=str(uuid.uuid4()), kind="other", language="en", text="Hello")
    messages.send(written, user=None, now=timezone.now())

    with pytest.raises(SentAlready):
        messages.send(written, user=None, now=timezone.now())

    assert TeamMessage.objects.count() == 1


def test_the_number_is_believed_however_it_is_typed_and_another_is_unknown() -> None:
    sent = send()

    assert messages.by_number(f" {sent.number.lower().replace('-', ' ')} ") == sent.message
    with pytest.raises(UnknownNumber):
        messages.by_number("M-AAAA-AAAA-AAAA-AAAA")
    assert sent.number not in json.dumps(list(TeamMessage.objects.values()), default=str)


# --- the doors ---


def post(client: Client, *, text: str = "Hello", origin: str | None = None, **fields: Any) -> Any:
    body = {"id": str(uuid.uuid4()), "kind": "other", "language": "fr", "text": text, **fields}
    headers = {"origin": origin} if origin else {}
    return client.post("/api/contact?language=fr", json.dumps(body), content_type="application/json", headers=headers)


def test_the_json_door_takes_a_message_and_tells_its_number_once(client: Client) -> None:
    response = post(client, text=SECRET, reply_to=ADDRESS)

    assert response.status_code == 201, response.content
    found = response.json()
    assert set(found) == {"number", "kind", "due_at", "kept_days"} and found["kept_days"] == 90
    assert messages.by_number(found["number"]).text == SECRET
    assert response["Cache-Control"].startswith("max-age=0")


def test_the_json_door_refuses_in_the_language_of_the_page(client: Client, settings: Any) -> None:
    settings.ALLOWED_ORIGINS = ["https://wagmi.example"]

    assert post(client, origin="https://evil.example").status_code == 403
    empty = post(client, text="", origin="https://wagmi.example")
    assert empty.status_code == 400 and empty.json()["error"]["field"] == "text"
    assert post(client, surprise=1).status_code == 400
    client.cookies["anything"] = "x"
    assert post(client).status_code == 403, "a cookie without an origin"
    assert not TeamMessage.objects.exists()


def test_a_sender_may_send_so_many_and_then_waits(client: Client, settings: Any) -> None:
    settings.CONTACT_RATE_LIMIT = "2/1h"

    assert [post(client).status_code for _each in range(3)] == [201, 201, 429]
    refused = post(client)
    assert refused.json()["error"]["code"] == "too_many_messages" and int(refused["Retry-After"]) > 0
    assert TeamMessage.objects.count() == 2


def test_a_signed_in_sender_is_offered_their_address_and_finds_the_message_in_their_export(
    client: Client, alice: User, settings: Any
) -> None:
    settings.ALLOWED_ORIGINS = ["https://wagmi.example"]
    client.force_login(alice)

    assert client.get("/api/contact?language=en").json()["own_address"] == "alice@example.org"
    assert post(client, text=SECRET, origin="https://wagmi.example").status_code == 201

    (mine,) = exported(alice)
    assert mine["text"] == SECRET and mine["state"] == "received"
    closing.close(alice)
    closing.erase(alice.closure.pk)
    assert not TeamMessage.objects.exists()


def test_a_visitor_learns_nothing_of_accounts_and_gets_no_cookie(client: Client) -> None:
    response = client.get("/api/contact?language=fr")

    assert response.json()["own_address"] == "" and not response.cookies


def test_without_script_the_same_steps_lead_to_a_number_to_its_state_and_to_deletion(client: Client) -> None:
    assert client.get("/live/en/contact/").status_code == 302, "reached from the chat alone"

    page = client.post("/live/en/contact/", {"question": "<script>x</script> & more", "kind": "privacy"})
    text = page.content.decode()
    assert "&lt;script&gt;x&lt;/script&gt; &amp; more" in text and 'value="privacy" selected' in text
    assert "90 days" in text and "Only a person writes to it" in text
    draft_id = text.partition('name="id" value="')[2].partition('"')[0]

    form = {"id": draft_id, "kind": "privacy", "text": "Delete my data", "wants_answer": "yes", "reply_to": "nobody"}
    refused = client.post("/live/en/contact/send/", form)
    assert refused.status_code == 400 and "not an e-mail address" in refused.content.decode()

    sent = client.post("/live/en/contact/send/", form | {"reply_to": ADDRESS})
    number = sent.content.decode().partition('class="contact-number">')[2].partition("<")[0]
    assert sent.status_code == 200 and number.startswith("M-")
    assert client.post("/live/en/contact/send/", form | {"reply_to": ADDRESS}).status_code == 409

    stands = client.post("/live/en/messages/", {"number": number}).content.decode()
    assert "received" in stands and "privacy request" in stands and "Delete my data" not in stands
    assert client.post("/live/en/messages/", {"number": "M-1"}).status_code == 404
    assert "is deleted" in client.post("/live/en/messages/delete/", {"number": number}).content.decode()
    assert not TeamMessage.objects.exists()


def test_a_long_question_comes_to_the_form_whole_and_its_sender_cuts_it(client: Client) -> None:
    question = "word " * 3_000

    form = client.post("/live/en/contact/", {"kind": "other", "question": question}).content.decode()
    fields = {"id": str(uuid.uuid4()), "kind": "other", "text": question}
    refused = client.post("/live/en/contact/send/", fields)

    assert question in form
    assert refused.status_code == 400 and "14999 characters" in refused.content.decode()


def test_without_an_address_of_the_team_no_mail_is_promised(client: Client, settings: Any) -> None:
    with_it = client.get("/api/contact").json()["told"]
    settings.TEAM_EMAIL = ""
    without = client.get("/api/contact").json()["told"]

    assert "A mail without your words" in with_it[1][1]
    assert " mail" not in without[1][1] and "They read your message" in without[1][1]


def test_an_address_is_kept_only_where_an_answer_is_wanted(client: Client) -> None:
    form = {"id": str(uuid.uuid4()), "kind": "other", "text": "Hello", "reply_to": ADDRESS}

    assert client.post("/live/en/contact/send/", form).status_code == 200

    assert TeamMessage.objects.get().reply_to == ""
