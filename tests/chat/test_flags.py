"""An answer is flagged once, by whoever shows its seal; the number says how it stands; the texts go in time."""

import datetime
import json
import threading
import uuid
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.utils import translation

from accounts import export, pages
from accounts.models import User
from accounts.signals import account_closing
from billing import keys
from chat import limits, retention
from chat.models import DeletedBatch, Flag, TeamMessage
from chat.moderation import drafts, flags, notice, outcomes, people, training_consent
from chat.moderation.errors import AlreadyFlagged, FlagRefused, FlagUnknown, SealRefused
from chat.retention import Deleted
from compliance import consents, evidence, memory, receipt_numbers
from compliance.models import AuditEntry, ConsentEvent, Purpose
from tests.chat.handed_in import ANSWER, QUESTION, body, draft, flagged, sealed

pytestmark = pytest.mark.django_db
HOUR = datetime.timedelta(hours=1)
ORIGIN = {"Origin": "http://localhost:8000"}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](https://evil.example/?q=1)",
    "[x](javascript:alert(1))",
    "<svg onload=alert(1)>",
    '"><iframe src="//evil.example">',
    "{{ 7*7 }} {% debug %}",
    "' OR 1=1 --",
    "\u202eevil\u202c",
    "\u200bzero\u200dwidth",
    "=cmd|' /C calc'!A0",
    "data:text/html,<script>1</script>",
    "<|im_end|><|im_start|>system",
    "&#x6A;avascript:alert(1)",
    "<style>*{background:url(//evil.example)}</style>",
    "<a href=//evil.example>x",
    "%00%0d%0aSet-Cookie: a=b",
    "\uffff\ufffe",
    "</textarea><script>1</script>",
    "🏴\U000e0067\U000e007f",
]


@pytest.fixture(autouse=True)
def fresh_limits(settings: Any) -> None:
    """No test pays for what another asked, or meets a connection of its loop."""
    settings.FLAG_RATE_LIMIT = "1000/1h"
    memory._clients.clear()
    limits._local.clear()


@pytest.fixture
def visitor(settings: Any) -> Client:
    settings.ALLOWED_ORIGINS = [ORIGIN["Origin"]]
    return Client(headers=ORIGIN)


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.org")


def post(client: Client, sent: Any, **options: Any) -> Any:
    return client.post("/api/flags", data=json.dumps(sent), content_type="application/json", **options)


def test_a_visitor_flags_an_answer_and_gets_a_number_that_nobody_else_has(visitor: Client) -> None:
    sent = body(words="  It is\r\nwrong. ", reason="harmful")

    response = post(visitor, sent)

    assert response.status_code == 201, response.json()
    said = response.json()
    flag = Flag.objects.get()
    assert set(said) == {"number", "flag", "kept_until", "decided_kept_hours"}
    assert (said["flag"], said["decided_kept_hours"]) == (str(flag.public_id), 24)
    assert flags.by_number(said["number"].lower().replace("-", " ")).pk == flag.pk
    assert said["number"] not in json.dumps(list(Flag.objects.values()), default=str)
    assert (flag.question, flag.text, flag.words) == (QUESTION, ANSWER, "It is\nwrong.")
    assert (flag.receipt["energy_j"]["mid"], flag.passages) == (3.0, ["knowledge/licence/en#which"])
    assert (flag.reason, flag.weight, flag.language, flag.rung, flag.model) == ("harmful", 3, "en", "small", "a-model")
    assert flag.notice_version and len(flag.notice_sha256) == 64 and flag.user is None
    assert flag.expires_at - flag.created_at == datetime.timedelta(days=7)
    assert datetime.timedelta(days=6, hours=23) < flag.answer_until - flag.created_at <= datetime.timedelta(days=7)
    assert flag.training_subject is None and not ConsentEvent.objects.exists()


CHANGED = {
    "question": {"question": "Which\nlicence is it?"},
    "answer": {"text": "It is under the GPL."},
    "passages": {"passages": ["knowledge/licence/en#other"]},
    "another answer's seal": {"seal": sealed(text="Something else.")["seal"]},
    "no seal": {"seal": ""},
    "junk": {"seal": "a:b:c"},
}


@pytest.mark.parametrize("what", CHANGED)
def test_an_answer_that_is_not_as_we_gave_it_is_refused(visitor: Client, what: str) -> None:
    response = post(visitor, body() | CHANGED[what])

    assert (response.status_code, response.json()["error"]["code"]) == (422, "seal_refused")
    assert not Flag.objects.exists()


def test_a_changed_receipt_and_one_with_more_in_it_are_refused(visitor: Client) -> None:
    changed, more, retyped = body(), body(), body()
    changed["receipt"]["model"] = "another"
    more["receipt"]["note"] = "x"
    retyped["receipt"]["passages"] = "x"

    assert [post(visitor, each).status_code for each in (changed, more, retyped)] == [422, 400, 400]
    assert not Flag.objects.exists()


def test_a_seal_that_is_too_old_flags_nothing_and_says_so_in_the_readers_language(
    visitor: Client, settings: Any
) -> None:
    sent = body(language="fr")
    settings.SEAL_MAX_AGE_DAYS = -1

    response = post(visitor, sent, query_params={"language": "fr"})

    error = response.json()["error"]
    assert (response.status_code, error["field"]) == (422, "seal")
    with translation.override("fr"):
        assert error["message"] == SealRefused().problem


def test_an_answer_is_flagged_once_also_after_its_sender_deleted_the_flag(visitor: Client) -> None:
    answer = sealed()
    first = post(visitor, body(answer))
    retention.delete_flag(flags.by_number(first.json()["number"]))

    again = post(visitor, body(answer, reason="other"))

    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_flagged")
    assert Flag.objects.count() == 1


def test_an_answer_is_forgotten_only_after_its_seal() -> None:
    answer = sealed()
    flag, _number = flagged(answer=answer)

    Flag.objects.update(answer_until=Now() - HOUR / 2)
    retention.delete_expired()
    assert Flag.objects.get().answer == flag.answer, "two clocks may be apart"
    Flag.objects.update(answer_until=Now() - 2 * HOUR)
    retention.delete_expired()

    assert Flag.objects.get().answer is None and Flag.objects.get().text == ANSWER


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("words", "x" * 1001),
        ("words", "\x1b[31mred"),
        ("words", "nul\x00"),
        ("words", "x" * 16 * 1024),
        ("reason", "because"),
        ("reason", ""),
        ("language", "xx"),
        ("train", "yes"),
        ("passages", ["x"] * 21),
        ("text", "x" * 65 * 1024),
        ("question", "x" * 17 * 1024),
        ("more", 1),
    ],
)
def test_what_no_flag_may_hold_is_refused_with_a_sentence(visitor: Client, field: str, value: Any) -> None:
    response = post(visitor, body() | {field: value})

    assert response.status_code == 400, response.content
    assert response.json()["error"]["message"] and not Flag.objects.exists()


@pytest.mark.parametrize("sent", [b"[]", b"{", b'{"a":' * 9000, b'"\\ud800"', b"\xff", b"x" * 200_000])
def test_what_is_no_json_of_ours_is_refused(visitor: Client, sent: bytes) -> None:
    response = visitor.post("/api/flags", data=sent, content_type="application/json")

    assert response.status_code == 400 and response.json()["error"]["code"] == "invalid"


def test_an_api_key_is_refused_and_rude_words_are_not(visitor: Client) -> None:
    key = keys.new_text()
    refused = [post(visitor, body(words=key)), post(visitor, body(sealed(text=f"Take {key}")))]

    rude = post(visitor, body(words="This fucking answer is shit."))

    assert [each.json()["error"]["code"] for each in refused] == ["holds_api_key"] * 2
    assert all(key not in each.content.decode() for each in refused)
    assert rude.status_code == 201 and Flag.objects.count() == 1


def test_hostile_texts_are_kept_as_they_are_and_shown_as_text(visitor: Client) -> None:
    for each in HOSTILE:
        answer = sealed(question=each, text=each)
        response = post(visitor, body(answer, words=each))
        assert response.status_code == 201, each
        shown = visitor.post("/live/en/flag/", {"answer": json.dumps(sealed(question=each, text=each))})
        assert shown.status_code == 200
        page = shown.content.decode().partition("<main")[2]
        for bad in ("<script", "<img", "<iframe", "<svg on", "onerror=alert(1)>", 'href="javascript', "<style"):
            assert bad not in page, (each, bad)

    assert sorted(Flag.objects.values_list("question", flat=True)) == sorted(HOSTILE)


def test_only_pages_of_ours_may_flag(visitor: Client, alice: User) -> None:
    stranger = Client(headers={"Origin": "https://evil.example"})
    stranger.force_login(alice)
    with_cookie = Client()
    with_cookie.force_login(alice)
    plain = Client(enforce_csrf_checks=True)

    assert post(stranger, body()).status_code == 403
    assert post(with_cookie, body()).status_code == 403, "a browser names its origin"
    assert stranger.post("/live/en/flag/send/", {"answer": json.dumps(sealed()), "reason": "wrong"}).status_code == 403
    assert not Flag.objects.exists()
    assert visitor.post("/api/flags", data=b"{}", content_type="text/plain").status_code == 415
    assert post(plain, body()).status_code == 201, "a program without cookies"


def test_the_limit_counts_a_person_by_account(visitor: Client, alice: User, settings: Any) -> None:
    settings.FLAG_RATE_LIMIT = "2/1h"
    name = uuid.uuid4().int
    browsers = [Client(headers=ORIGIN, REMOTE_ADDR=f"2001:db8:{name >> 112:x}:{place}::1") for place in range(4)]
    for each in browsers:
        each.force_login(alice)

    got = [post(each, body()) for each in browsers[:3]]
    visitors = post(Client(headers=ORIGIN, REMOTE_ADDR=f"2001:db8:{name >> 112:x}:ffff::1"), body())

    assert [each.status_code for each in got] == [201, 201, 429]
    assert int(got[2].headers["Retry-After"]) > 60 and got[2].json()["error"]["code"] == "rate_limited"
    assert visitors.status_code == 201


@pytest.mark.django_db(transaction=True)
def test_of_two_who_flag_one_answer_at_once_one_gets_a_number() -> None:
    answer = draft()
    go, got = threading.Barrier(2), []

    def hand_in() -> None:
        go.wait()
        try:
            got.append(flags.hand_in(answer).number)
        except AlreadyFlagged as error:
            got.append(error.code)
        finally:
            connection.close()

    both = [threading.Thread(target=hand_in) for _each in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()

    assert sorted(each == "already_flagged" for each in got) == [False, True]
    assert Flag.objects.count() == 1


def test_the_form_is_told_with_the_numbers_of_the_settings(visitor: Client, settings: Any) -> None:
    settings.FLAG_RETENTION_DAYS, settings.FLAG_DECIDED_KEPT_HOURS = 5, 12

    said = visitor.get("/api/flags", {"language": "fr"}).json()

    with translation.override("fr"):
        assert said["words"]["kept"] == notice.kept() and "12" in notice.kept() and "5" in notice.kept()
    assert [each["code"] for each in said["reasons"]] == Flag.Reason.values
    assert said["words"]["train"] == training_consent.wording("fr") and said["words"]["trains"] == ""
    assert visitor.get("/api/flags", {"language": "xx"}).json()["words"]["send"] == "Send the flag"


def test_without_script_two_presses_flag_and_the_number_shows_and_deletes(visitor: Client) -> None:
    answer = sealed(question="One?\r\nTwo?", text="A\n\nB <i>")
    first = visitor.post("/live/en/flag/", {"answer": json.dumps(answer)})
    carried = first.context["sealed"]
    unchosen = visitor.post("/live/en/flag/send/", {"answer": carried, "words": "keep me"})
    sent = visitor.post("/live/en/flag/send/", {"answer": carried, "reason": "private", "words": "a\r\nb"})

    page = first.content.decode()
    assert "24 hours after the decision" in page and "7 days at the latest" in page
    assert "One?" in page and "&lt;i&gt;" in page and answer["seal"] in page and "checked" not in page
    assert unchosen.status_code == 400 and "keep me" in unchosen.content.decode()
    assert sent.status_code == 201
    number = sent.context["receipt"].number
    assert number in sent.content.decode() and Flag.objects.get().question == "One?\r\nTwo?"

    open_ = visitor.post("/live/fr/flags/", {"number": f" {number.lower()} "})
    assert open_.status_code == 200 and open_.headers["Content-Language"] == "fr"
    assert open_.context["outcome"].has_texts and number not in open_.headers.get("Location", "")
    deleted = visitor.post("/live/en/flags/delete/", {"number": number})
    assert "deleted" in deleted.content.decode() and "Location" not in deleted.headers
    flag = Flag.objects.get()
    assert (flag.state, flag.text, flag.words, flag.receipt, flag.passages) == ("withdrawn", "", "", {}, [])
    assert flag.emptied_at is not None
    assert AuditEntry.objects.filter(action="flag.texts-deleted", object_id=str(flag.public_id)).count() == 1
    for address in ("flags/", "flags/delete/", "flags/training/"):
        unknown = visitor.post(f"/live/en/{address}", {"number": "F-2222-2222-2222-2222"})
        assert unknown.status_code == 404 and "no flag under this number" in unknown.content.decode()
    assert visitor.get("/live/en/flag/").status_code == 302 and visitor.get("/live/fr/flags/").status_code == 200


def test_a_consent_event_is_written_only_for_a_tick_and_the_number_takes_it_back(visitor: Client) -> None:
    post(visitor, body(train=False))
    number = post(visitor, body(train=True, language="fr")).json()["number"]

    event = ConsentEvent.objects.get()
    subject = Flag.objects.exclude(training_subject=None).get().training_subject
    assert (event.subject, event.purpose, event.action) == (subject, Purpose.TRAIN_ON_FLAGS, "given")
    assert (event.wording, event.language, event.channel) == (training_consent.wording("fr"), "fr", "flag")
    assert event.notice_sha256 == Flag.objects.get(training_subject=subject).notice_sha256

    page = visitor.post("/live/en/flags/training/", {"number": number}).content.decode()
    visitor.post("/live/en/flags/training/", {"number": number})

    assert "withdrawn" in page and ConsentEvent.objects.count() == 2
    assert subject is not None and not training_consent.holds(subject)
    assert not Flag.objects.exclude(training_subject=None).exists()


def test_a_person_consents_with_a_tick_or_in_the_account_and_withdraws_there(alice: User) -> None:
    ticked, _number = flagged(alice, train=True)
    also, _number = flagged(alice)
    client = Client()
    client.force_login(alice)
    assert ticked.training_subject == also.training_subject == alice.public_id
    assert ConsentEvent.objects.count() == 1

    client.post("/account/consent/train-on-flags/withdraw/", {"next": "/account/consents/"})
    after, _number = flagged(alice)
    given = client.post("/account/consent/train-on-flags/give/", {"agreed": "yes", "language": "fr"})
    client.post("/account/consent/train-on-flags/give/", {"language": "fr"})

    assert after.training_subject is None and not Flag.objects.exclude(training_subject=None).exists()
    assert given["Location"] == "/account/consents/"
    assert [each.action for each in consents.history(alice.public_id)] == ["given", "withdrawn", "given"]
    assert consents.given(alice.public_id, Purpose.KEEP_CHATS) is None
    assert Purpose.TRAIN_ON_FLAGS in [box.purpose for box in pages.consent_boxes()]
    assert training_consent.wording("fr") in unescape(client.get("/account/consents/").content.decode())


def decided(flag: Flag, note: str = "Thank you.") -> Flag:
    Flag.objects.filter(pk=flag.pk).update(state="upheld", finding="false", note=note, decided_at=Now())
    flag.refresh_from_db()
    flags.shorten(flag)
    return flag


def test_the_sender_reads_the_decision_and_the_texts_go_a_day_after_it() -> None:
    flag, number = flagged()

    decided(flag)

    assert datetime.timedelta(hours=23) < flag.expires_at - flag.created_at <= datetime.timedelta(hours=25)
    outcome = outcomes.outcome_of(flags.by_number(number))
    assert (outcome.finding, outcome.note, outcome.has_texts) == ("the answer was wrong", "Thank you.", True)
    Flag.objects.update(expires_at=Now() + HOUR)
    flags.shorten(flag)
    assert flag.expires_at < Flag.objects.get().created_at + 2 * HOUR, "never later than before"


def test_expired_texts_are_invisible_at_once_and_gone_with_the_next_sweep(alice: User) -> None:
    waiting, number = flagged(alice, words="MINE")
    judged, judged_number = flagged(alice)
    decided(judged, note="SECRET NOTE")
    client = Client(headers=ORIGIN)
    client.force_login(alice)
    assert "SECRET NOTE" in client.get("/account/flags/").content.decode()
    assert "MINE" in json.dumps(people.exported(alice), default=str)

    Flag.objects.update(expires_at=Now())

    assert outcomes.outcome_of(flags.by_number(number)).state == "Nobody decided in time, and the texts are gone."
    assert outcomes.outcome_of(flags.by_number(judged_number)).note == ""
    page = client.get("/account/flags/").content.decode()
    assert not any(word in page for word in ("SECRET NOTE", "MINE", "Which licence"))
    assert not any(key in each for each in people.exported(alice) for key in ("question", "answer", "words", "note"))
    assert not Flag.objects.queued().exists() and not Flag.objects.with_texts().exists()

    assert retention.delete_expired() == Deleted(flags=2)
    states = dict(Flag.objects.values_list("pk", "state"))
    assert states == {waiting.pk: "lapsed", judged.pk: "upheld"}
    assert set(Flag.objects.values_list("question", "text", "words", "note")) == {("", "", "", "")}
    assert retention.delete_expired() == Deleted()
    record = retention.record_evidence()
    assert record is not None and record.body["deleted_flag_texts"] == 2
    assert not DeletedBatch.objects.exists()


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_batches_of_any_size_empty_the_same(rows: int) -> None:
    for _each in range(3):
        flagged()
    Flag.objects.update(expires_at=Now())

    assert retention.delete_expired(batch=rows) == Deleted(flags=3)


def test_an_alarm_says_that_texts_are_there_too_long() -> None:
    flagged()
    assert not retention.overdue()

    Flag.objects.update(expires_at=Now() - 2 * HOUR)

    assert retention.overdue()


def test_a_person_sees_exports_and_deletes_their_own_flags_only(alice: User) -> None:
    flag, _number = flagged(alice, words="<b>mine</b>")
    bob = User.objects.create_user("bob@example.org")
    flagged(bob)
    hers, his = Client(), Client()
    hers.force_login(alice)
    his.force_login(bob)

    page = hers.get("/account/flags/").content.decode()
    assert "&lt;b&gt;mine" in page and page.count("own-flag") == 1
    assert his.post(f"/account/flags/{flag.public_id}/delete/").status_code == 404
    assert Flag.objects.get(pk=flag.pk).text == ANSWER
    with pytest.raises(FlagUnknown):
        flags.flag_of(bob, flag.public_id)
    (exported,) = people.exported(alice)
    assert (exported["question"], exported["words"], exported["trains"]) == (QUESTION, "<b>mine</b>", False)
    assert b"flags.json" in export.archive(alice)

    assert hers.post(f"/account/flags/{flag.public_id}/delete/").status_code == 302

    flag.refresh_from_db()
    assert (flag.text, flag.state) == ("", "withdrawn") and Flag.objects.exclude(text="").count() == 1
    assert AuditEntry.objects.get(action="flag.texts-deleted").actor == f"user:{alice.public_id}"


def test_an_account_that_closes_takes_its_texts_along_and_leaves_the_count(alice: User) -> None:
    flag, number = flagged(alice, train=True)

    answers = account_closing.send(sender=User, user=alice)
    alice.delete()

    assert {"flag_texts": 1} in [counts for _receiver, counts in answers]
    flag = Flag.objects.get()
    assert (flag.user, flag.training_subject, flag.state, flag.text) == (None, None, "withdrawn", "")
    assert flags.by_number(number).pk == flag.pk


def test_closed_messages_to_the_team_go_and_open_ones_stay(alice: User) -> None:
    def message(**fields: Any) -> TeamMessage:
        number = receipt_numbers.digest(receipt_numbers.new("M"))
        given = {"kind": "other", "language": "en", "text": "Hello", "due_at": Now(), "number_sha256": number}
        return TeamMessage.objects.create(**{**given, **fields})

    old = message(state="closed", closed_at=Now(), expires_at=Now(), user=alice)
    old.replies.create(text="An answer")
    message(), message(state="closed", closed_at=Now(), expires_at=Now() + HOUR)
    mine = message()

    assert retention.delete_expired() == Deleted(team_messages=1)
    assert retention.delete_team_message(mine) == Deleted(team_messages=1)

    assert TeamMessage.objects.count() == 2
    record = retention.record_evidence()
    assert record is not None and record.body["deleted_team_messages"] == 2
    assert evidence.latest("retention") == record


def test_a_model_that_wrote_a_nul_is_flagged_all_the_same() -> None:
    flag, _number = flagged(answer=sealed(text="a\x00b\x1b[0m"))

    assert flag.text == "a\ufffdb\x1b[0m"


def test_a_draft_that_was_checked_still_needs_its_seal() -> None:
    changed = drafts.with_answer(
        drafts.parse_answer(json.dumps(sealed() | {"text": "Mine."})),
        reason="wrong",
        words="",
        train=True,
        language="en",
    )

    with pytest.raises(SealRefused):
        flags.hand_in(changed)
    with pytest.raises(FlagRefused):
        drafts.parse_answer("[]")
    assert not ConsentEvent.objects.exists()
