"""Staff decide about flags: one at a time, once, in the open; what follows is written by them."""

import datetime
import threading
import time
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from accounts.models import User
from chat.models import Correction, Flag, RegressionCase, TrainingExample
from chat.moderation import figures, review
from chat.moderation.neighbours import like_flags, likeness, near_pairs
from chat.moderation.review import Decision, Draft
from chat.moderation.unseen import pieces, spelled
from compliance import alarms, consents
from compliance.consents import Notice
from compliance.models import AuditEntry, ConsentEvent, Purpose
from content.passages import passages
from tests.chat.open_flags import DAY, flag
from tests.signed_in import sign_in_as_staff

pytestmark = pytest.mark.django_db

OWN_QUESTION = "Under which terms may a company reuse the programs?"


@pytest.fixture
def erin(db: None) -> User:
    """A second moderator, who may change flags and nothing else."""
    person = User.objects.create_user("erin@example.org", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=["change_flag", "view_flag"]))
    return person


@pytest.fixture
def erins_client(erin: User) -> Client:
    client = Client()
    sign_in_as_staff(client, erin)
    return client


def test_two_people_never_hold_one_flag_and_its_time_can_be_renewed(dana: User, erin: User) -> None:
    one = flag()

    assert review.hold(one, by=dana)
    assert not review.hold(one, by=erin)
    first_end = one.locked_until
    assert review.hold(one, by=dana)
    assert one.locked_by == dana and one.locked_until > first_end

    Flag.objects.update(locked_until=Now() - datetime.timedelta(seconds=1))
    assert review.hold(one, by=erin)
    assert not review.leave(one, by=dana)
    assert review.leave(one, by=erin)
    entries = AuditEntry.objects.filter(object_kind="flag").order_by("id")
    assert list(entries.values_list("action", flat=True)) == ["flag.held", "flag.held", "flag.left"]


@pytest.mark.django_db(transaction=True)
def test_of_many_who_press_at_once_one_holds_it(dana: User) -> None:
    one = flag()
    people = [User.objects.create_user(f"m{n}@example.org", is_staff=True) for n in range(6)]
    held: list[bool] = []

    def press(person: User) -> None:
        held.append(review.hold(Flag.objects.get(pk=one.pk), by=person))
        connection.close()

    threads = [threading.Thread(target=press, args=[person]) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(held) == [False] * 5 + [True]


def test_the_next_flag_is_by_weight_then_age_and_nobody_elses(dana: User, erin: User) -> None:
    old, young, heavy = flag(), flag(), flag(weight=3)
    gone = flag(weight=3, expires_at=Now() - DAY)
    review.hold(old, by=erin)

    first = review.hold_next(by=dana)
    assert first == heavy
    second = review.hold_next(by=dana, after=first)
    assert second == young
    review.leave(heavy, by=dana)
    assert review.hold_next(by=dana, after=second) == heavy
    gone.refresh_from_db()
    assert gone.locked_by is None


def test_a_decision_is_made_once_and_by_its_holder(dana: User, erin: User) -> None:
    one = flag()
    with pytest.raises(review.NotHeld):
        review.decide(one, Decision("sound"), by=dana)

    review.hold(one, by=dana)
    with pytest.raises(review.NotHeld):
        review.decide(one, Decision("sound"), by=erin)
    review.decide(one, Decision("sound", note="It is right."), by=dana)
    with pytest.raises(review.NotHeld):
        review.decide(one, Decision("false"), by=dana)

    one.refresh_from_db()
    assert (one.state, one.finding, one.note, one.decided_by) == ("dismissed", "sound", "It is right.", dana)
    assert one.locked_by is None
    assert one.expires_at - one.decided_at == datetime.timedelta(hours=24)
    entry = AuditEntry.objects.latest("id")
    assert entry.action == "flag.dismissed"
    assert entry.changes["before"] == {"state": "open"}
    assert entry.changes["after"] == {"state": "dismissed", "finding": "sound", "noted": True}
    assert "right" not in str(entry.changes)


def test_an_upheld_flag_becomes_corrections_cases_and_with_consent_an_example(dana: User) -> None:
    subject = uuid.uuid4()
    one = flag("Write to alice@example.org: which licence?", training_subject=subject)
    consents.record(
        subject, Purpose.TRAIN_ON_FLAGS, ConsentEvent.Action.GIVEN, Notice("1", "0" * 64, "Yes.", "en"), channel="flag"
    )
    review.hold(one, by=dana)

    written = review.decide(one, Decision("false", corrections=(draft("en"), draft("fr")), train=True), by=dana)

    assert {each.language for each in written} == {"en", "fr"}
    assert {each.state for each in Correction.objects.all()} == {"approved"}
    assert written[0].group == written[1].group
    assert RegressionCase.objects.filter(language="en").get().must_say == ["Apache"]
    example = TrainingExample.objects.get()
    assert example.question == "Write to [EMAIL]: which licence?"
    assert example.answer == written[0].answer


def test_where_two_are_needed_a_correction_waits_for_the_second(
    staff_client: Client, dana: User, settings: Any
) -> None:
    settings.CORRECTIONS_NEED_TWO = True
    one = flag()
    review.hold(one, by=dana)
    written = review.decide(one, Decision("false", corrections=(draft("en"),)), by=dana)[0]
    approve = reverse("admin:chat_correction_approve", args=[written.pk])
    assert written.state == "draft"

    staff_client.post(approve)
    assert Correction.objects.get().state == "draft"
    frank = User.objects.create_user("frank@example.org", is_staff=True, is_superuser=True)
    second = Client()
    sign_in_as_staff(second, frank)
    second.post(approve)
    assert Correction.objects.get().state == "approved"

    page = second.get(reverse("admin:chat_correction_change", args=[written.pk]))
    withdraw = reverse("admin:chat_correction_withdraw", args=[written.pk])
    assert withdraw in page.content.decode()
    second.post(withdraw, {"reason": "no such reason"})
    assert Correction.objects.get().state == "approved"
    second.post(withdraw, {"reason": "outdated"})
    assert Correction.objects.get().state == "withdrawn"
    assert "outdated" in str(AuditEntry.objects.filter(action="correction.withdrawn").get().changes)


def test_nothing_is_decided_when_what_follows_cannot_be_written(staff_client: Client) -> None:
    one = flag()
    address = reverse("admin:chat_flag_review", args=[one.public_id])
    staff_client.get(address)

    for fields, problem in (
        ({}, "Choose a finding first."),
        ({"finding": "false", "first-questions": OWN_QUESTION}, "Write the answer."),
        ({"finding": "sound", **form("en")}, "Only an upheld flag carries a correction."),
        ({"finding": "false", **form("en"), **form("en", "second")}, "Both corrections are in the same language."),
        ({"finding": "false", **form("en"), "train": "on"}, "The sender does not consent to training, or no longer."),
        ({"finding": "false", "note": "a\u202eb"}, "There is a character in it that cannot be seen."),
    ):
        response = staff_client.post(address, languages() | fields)
        assert response.status_code == 400, problem
        assert problem in response.content.decode(), response.content.decode()[-3000:]

    one.refresh_from_db()
    assert one.state == "open"
    assert not Correction.objects.exists()
    done = staff_client.post(address, languages() | {"finding": "false", **form("en")})
    assert done.status_code == 302
    assert Correction.objects.get().state == "approved"


def test_fields_are_empty_whatever_the_sender_wrote(staff_client: Client) -> None:
    one = flag("A question of the sender", words="Words of the sender", text="Text of the model")
    page = staff_client.get(reverse("admin:chat_flag_review", args=[one.public_id])).content.decode()

    fields = page.split("<textarea")[1:]
    assert len(fields) == 9
    for field in fields:
        assert field.partition(">")[2].partition("</textarea>")[0].strip() == ""
    assert "checked" not in page.partition('id="decision"')[2]


def test_a_preview_says_what_readers_get_and_how_near_it_is_to_the_senders_words(staff_client: Client) -> None:
    one = flag("May a company resell the whole program under its own name?")
    staff_client.get(reverse("admin:chat_flag_review", args=[one.public_id]))
    address = reverse("admin:chat_flag_preview", args=[one.public_id])
    typed = languages() | form("en") | {"first-passage_words": "licence"}

    seen = staff_client.post(address, typed, headers={"Accept": "application/json"}).json()
    first = seen["corrections"][0]
    assert first["tree"][0][0] == "p"
    assert first["source"]["url"]
    assert first["passages"]
    assert not any("own wording" in hint for hint in first["hints"])
    assert 0 < seen["left_s"] <= 300
    longer = staff_client.post(reverse("admin:chat_flag_hold", args=[one.public_id])).json()
    assert longer["left_s"] >= 299 and longer["until"] >= seen["until"]

    typed["first-questions"] = one.question
    copied = staff_client.post(address, typed, headers={"Accept": "application/json"}).json()
    assert any("own wording" in hint for hint in copied["corrections"][0]["hints"])

    page = staff_client.post(address, typed)
    assert page.status_code == 200
    assert "own wording" in page.content.decode()
    assert Flag.objects.get().state == "open"


def test_a_second_person_gets_a_notice_and_no_button(staff_client: Client, erins_client: Client, dana: User) -> None:
    one = flag("A secret question")
    address = reverse("admin:chat_flag_review", args=[one.public_id])
    staff_client.get(address)

    page = erins_client.get(address).content.decode()
    assert "dana@example.org holds this flag until" in page
    assert 'id="decision"' not in page
    assert "A secret question" not in page
    refused = erins_client.post(address, {"finding": "sound"})
    assert refused.status_code == 409
    assert erins_client.post(reverse("admin:chat_flag_hold", args=[one.public_id])).status_code == 409
    preview = reverse("admin:chat_flag_preview", args=[one.public_id])
    assert erins_client.post(preview, headers={"Accept": "application/json"}).status_code == 409
    queue = erins_client.get(reverse("admin:chat_flag_changelist")).content.decode()
    assert "dana@example.org, 5 min left" in queue

    staff_client.post(reverse("admin:chat_flag_leave", args=[one.public_id]))
    assert erins_client.post(address, {"finding": "sound", **languages()}).status_code == 302
    assert Flag.objects.get().decided_by.email == "erin@example.org"


def test_without_the_permission_every_door_is_shut(erins_client: Client, erin: User) -> None:
    one = flag()
    erin.user_permissions.set(Permission.objects.filter(codename="view_flag"))
    doors = [
        reverse(f"admin:chat_flag_{name}", args=[one.public_id]) for name in ("review", "preview", "hold", "leave")
    ]

    for door in [*doors, reverse("admin:chat_flag_next")]:
        assert erins_client.get(door).status_code == 403, door
        assert erins_client.post(door).status_code == 403, door
    assert erins_client.get(reverse("admin:chat_flag_changelist")).status_code == 200
    assert Client().get(doors[0]).status_code == 302
    one.refresh_from_db()
    assert one.locked_by is None


def test_what_has_expired_is_gone_for_staff_too(staff_client: Client) -> None:
    one = flag("A question that expired", expires_at=Now() - datetime.timedelta(seconds=1))

    queue = staff_client.get(reverse("admin:chat_flag_changelist")).content.decode()
    page = staff_client.get(reverse("admin:chat_flag_review", args=[one.public_id])).content.decode()
    assert "that expired" not in queue + page
    assert "The texts of this flag have expired." in page
    other = flag("A question that expired")
    assert like_flags(other) == []


def test_a_decided_flag_is_read_and_not_decided_again(staff_client: Client, dana: User) -> None:
    one = flag()
    review.hold(one, by=dana)
    review.decide(one, Decision("false", note="Thank you.", corrections=(draft("en"),)), by=dana)

    page = staff_client.get(reverse("admin:chat_flag_review", args=[one.public_id])).content.decode()
    assert "Thank you." in page
    assert "Correction in EN" in page
    assert 'id="decision"' not in page


def test_what_was_typed_is_there_to_copy_when_somebody_else_took_the_flag(
    staff_client: Client, erin: User, dana: User
) -> None:
    one = flag()
    address = reverse("admin:chat_flag_review", args=[one.public_id])
    staff_client.get(address)
    Flag.objects.update(locked_until=Now() - datetime.timedelta(seconds=1))
    review.hold(one, by=erin)

    typed = {"finding": "false", "note": "", "first-language": "en", "first-answer": "<b>An hour of work.</b>"}
    refused = staff_client.post(address, typed)

    assert refused.status_code == 409
    assert "&lt;b&gt;An hour of work.&lt;/b&gt;</textarea>" in refused.content.decode()
    assert refused.content.decode().count("<textarea") == 1


def test_hundreds_of_long_questions_do_not_hold_staff_up() -> None:
    words = " ".join(f"word{number}" for number in range(1_600))
    one, *others = [flag(f"Which mill is it? {words}") for _each in range(40)]

    began = time.process_time()
    found = like_flags(one, limit=50)

    assert len(found) == len(others)
    assert time.process_time() - began < 1.5, "4 s where each is read to its end"


def test_the_queue_costs_the_same_however_long_it_is(staff_client: Client, django_assert_max_num_queries: Any) -> None:
    for n in range(12):
        flag(weight=n % 4)

    with django_assert_max_num_queries(14):
        page = staff_client.get(reverse("admin:chat_flag_changelist")).content.decode()
    assert page.count("/review/") == 12


def test_neighbours_are_flags_and_answers_with_the_same_words() -> None:
    one = flag("How long are my chats kept?")
    near, far = flag("How long are the chats of a visitor kept?"), flag("Which fonts do you use?")

    assert [like.flag for like in like_flags(one)] == [near]
    assert far not in [like.flag for like in like_flags(one)]
    pairs = near_pairs("How long are my chats kept?", "en")
    assert pairs and pairs[0].likeness >= 0.5


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("May I resell the whole program under my own name?", 0.95, 1.0),
        ("Is a company free to sell it on?", 0.0, 0.2),
        ("Resell, program!", 0.9, 1.0),
        ("", 0.0, 0.0),
    ],
)
def test_likeness_is_the_share_of_the_wording_that_is_theirs(written: str, low: float, high: float) -> None:
    assert low <= likeness(written, "may I RESELL the whole program, under my own name") <= high


def test_what_a_text_hides_is_named() -> None:
    assert [piece.text for piece in pieces("a\u202eb\u200b\u200b\u200bc\nd") if piece.unseen] == [
        "U+202E",
        "U+200B × 3",
    ]
    assert spelled("x\n\u2067y\U000e0041") == "x ⟨U+2067⟩y⟨U+E0041⟩"
    assert [piece.unseen for piece in pieces("Où est-ce\u00a0? «\u202fici\u202f»")] == [False]


def test_figures_count_decisions_and_never_hold_text(dana: User) -> None:
    hour = datetime.timedelta(hours=1)
    for hours, finding in ((1, "false"), (2, "sound"), (9, "false")):
        one = flag(created_at=Now() - hours * hour)
        review.hold(one, by=dana)
        review.decide(one, Decision(finding), by=dana)
    flag(created_at=Now() - 3 * DAY)
    flag(expires_at=Now() - hour)
    flag(created_at=Now() - 40 * DAY, state="upheld", finding="false", decided_at=Now() - 35 * DAY)

    seen = figures.figures(30)

    assert (seen.open, seen.decided, seen.upheld, seen.lapsed) == (1, 3, 2, 1)
    assert seen.upheld_share == pytest.approx(2 / 3)
    assert seen.oldest_open is not None and 2.9 * DAY < seen.oldest_open < 3.1 * DAY
    assert seen.median_to_decision is not None and abs(seen.median_to_decision - 2 * hour) < hour / 10
    assert seen.p90_to_decision is not None and abs(seen.p90_to_decision - 7.6 * hour) < hour / 10
    assert figures.figures(30) is not None


def test_figures_of_nothing_are_empty() -> None:
    seen = figures.figures(30)

    assert (seen.open, seen.decided, seen.upheld_share, seen.median_to_decision, seen.oldest_open) == (
        0,
        0,
        None,
        None,
        None,
    )


def test_a_flag_that_would_lapse_within_a_day_is_an_alarm_and_a_fact(staff_client: Client) -> None:
    flag(expires_at=Now() + 2 * DAY)
    assert not [alarm for alarm in alarms.active() if alarm.id == "chat.flags"]
    flag(expires_at=Now() + DAY / 2)

    assert [str(alarm.text) for alarm in alarms.active() if alarm.id == "chat.flags"] == [
        "1 flag expires undecided within a day."
    ]
    home = staff_client.get("/admin/").content.decode()
    assert "2 open" in home
    assert "1 expires within a day." in home


def draft(language: str) -> Draft:
    question, answer = {
        "en": (OWN_QUESTION, "Apache 2.0 allows it."),
        "fr": (
            "À quelles conditions une entreprise peut-elle réutiliser le code ?",
            "La licence Apache 2.0 le permet.",
        ),
    }[language]
    return Draft(language, (question,), answer, proof(language), must_say=("Apache",))


def proof(language: str) -> str:
    return next(each.id for each in passages(language) if "Apache" in each.text)


def form(language: str, prefix: str = "first") -> dict[str, str]:
    given = draft(language)
    return {
        f"{prefix}-language": language,
        f"{prefix}-questions": "\n".join(given.questions),
        f"{prefix}-answer": given.answer,
        f"{prefix}-passage": given.passage,
    }


def languages() -> dict[str, str]:
    return {"first-language": "en", "second-language": "fr"}
