"""A person's conversations: read, continued, renamed, deleted by them alone, and invisible the moment they expire."""

import datetime
import io
import json
import uuid
import zipfile
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts import export
from accounts.models import User
from chat import consent, conversations, exports, storing
from chat.models import Conversation, Message
from tests.chat.stored import DAY, age, consenting, stored, version

pytestmark = pytest.mark.django_db
LIST = "/account/conversations/"
API = "/account/api/conversations/"


@pytest.fixture
def alice() -> User:
    return consenting("alice@example.org")


@pytest.fixture
def client(alice: User) -> Client:
    return signed_in(alice)


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def archived(person: User) -> str:
    """Return all that the files of an export say."""
    with zipfile.ZipFile(io.BytesIO(export.archive(person))) as file:
        return "".join(file.read(name).decode() for name in file.namelist())


def read_paths(person: User, client: Client, conversation: uuid.UUID) -> dict[str, str]:
    """Return what every way to read a stored conversation shows, by its name; refusals show as their status."""

    def fetched(address: str) -> str:
        response = client.get(address)
        return response.content.decode() if response.status_code == 200 else str(response.status_code)

    try:
        history = str(storing.history(person.public_id, conversation))
    except storing.UnknownConversation:
        history = "unknown"
    return {
        "list": fetched(LIST),
        "page": fetched(f"{LIST}{conversation}/"),
        "api list": fetched(API),
        "api": fetched(f"{API}{conversation}/"),
        "history": history,
        "export": json.dumps(exports.exported(person), default=str),
        "archive": archived(person),
        "rows": str(list(Message.objects.values_list("text")) + list(Conversation.objects.named().values_list("name"))),
    }


def test_the_owner_reads_a_conversation_on_every_path(alice: User, client: Client) -> None:
    kept = stored(alice, "Which licence is it?")

    shown = read_paths(alice, client, kept.conversation)

    assert all("Which licence is it?" in text for text in shown.values()), shown


def test_what_has_expired_is_invisible_on_every_path_while_its_rows_are_there(alice: User, client: Client) -> None:
    kept = stored(alice, "Which zebra is it?")
    conversations.rename(Conversation.objects.get(), "A zebra of my own")
    Message.objects.filter(role="assistant").update(text="A zebra.")
    age(kept.conversation, 7 * DAY)

    shown = read_paths(alice, client, kept.conversation)

    assert Message.everything.count() == 2 and Conversation.everything.count() == 1
    assert not [path for path, text in shown.items() if "zebra" in text], shown
    assert (shown["page"], shown["api"], shown["history"]) == ("404", "404", "unknown")


def test_an_expired_exchange_is_invisible_in_a_conversation_that_goes_on(alice: User, client: Client) -> None:
    kept = stored(alice, "Oldest question?")
    age(kept.conversation, 8 * DAY)
    Conversation.everything.update(expires_at=storing.expiry())
    stored(alice, "Newest question?", conversation=kept.conversation)

    shown = read_paths(alice, client, kept.conversation)

    assert all("Newest question?" in text and "Oldest question?" not in text for text in shown.values()), shown


def test_nobody_else_reads_changes_or_deletes_it(alice: User, staff_client: Client) -> None:
    kept = stored(alice)
    carol = signed_in(consenting("carol@example.org"))
    here = f"{LIST}{kept.conversation}/"

    for other in (carol, staff_client):
        answers = [
            other.get(here),
            other.get(f"{API}{kept.conversation}/"),
            other.post(f"{here}rename/", {"title": "Mine"}),
            other.post(f"{here}delete/"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert other.get(API).json() == {"conversations": []}
    assert [each.name for each in conversations.listed(alice)] == ["Which licence?"]


def test_who_is_not_signed_in_is_led_to_the_sign_in_or_told_so(alice: User) -> None:
    kept = stored(alice)
    nobody = Client()
    here = f"{LIST}{kept.conversation}/"

    for address in (LIST, here):
        assert nobody.get(address).status_code == 302
    for address in (f"{LIST}delete/", f"{here}delete/", f"{here}rename/"):
        assert nobody.post(address).status_code == 302
    for address in (API, f"{API}{kept.conversation}/"):
        refused = nobody.get(address)
        assert refused.status_code == 401 and refused.json()["error"]["code"] == "signed_out"
    assert Message.objects.count() == 2


def test_a_client_gets_what_it_needs_to_go_on(alice: User, client: Client) -> None:
    ask, small = uuid.uuid4(), version("It is **Apache**.")
    home = storing.store(subject=alice.public_id, ask=ask, question="Which?", language="en", version=small)
    assert home is not None
    large = version("Apache 2.0.", rung="large", upgrades=small.answer)
    storing.store(subject=alice.public_id, ask=ask, question="Which?", language="en", version=large)

    got = client.get(f"{API}{home.conversation}/").json()

    assert (got["conversation"], got["title"]) == (str(home.conversation), "Which?")
    assert datetime.datetime.fromisoformat(got["kept_until"]) == home.kept_until
    (turn,) = got["turns"]
    assert (turn["ask"], turn["question"]) == (str(ask), "Which?")
    first, second = turn["versions"]
    assert first["tree"] == [["p", {}, "It is ", ["strong", {}, "Apache"], "."]]
    assert (first["answer"], first["seal"], first["finish_reason"]) == (str(small.answer), "seal", "stop")
    assert (second["rung"], second["upgrades"], second["text"]) == ("large", str(small.answer), "Apache 2.0.")
    assert first["sources"][0]["title"] == "Licence" and first["receipt"]["model_name"] == "A model"
    listed = client.get(API)
    assert listed.json()["conversations"][0]["conversation"] == str(home.conversation)
    assert "no-store" in listed["Cache-Control"]


def test_the_page_leads_on_in_the_readers_language(alice: User) -> None:
    kept = stored(alice)
    User.objects.update(language="fr")

    page = signed_in(User.objects.get()).get(f"{LIST}{kept.conversation}/").content.decode()

    assert f"/fr/chat/?conversation={kept.conversation}" in page and '<html lang="fr"' in page


def test_renaming_shows_the_name_and_an_empty_one_brings_the_question_back(alice: User, client: Client) -> None:
    kept = stored(alice)
    here = f"{LIST}{kept.conversation}/"

    client.post(f"{here}rename/", {"title": "  My\n licence <b> \x00 " + "x" * 300})
    renamed = client.get(LIST).content.decode()
    (named,) = conversations.listed(alice)
    client.post(f"{here}rename/", {"title": " "})
    (unnamed,) = conversations.listed(alice)

    assert named.name.startswith("My licence <b> xxx") and len(named.name) == 120
    assert "My licence &lt;b&gt;" in renamed
    assert unnamed.name == "Which licence?" and Conversation.everything.get().title_expires_at is None


def test_deleting_one_and_all(alice: User, client: Client) -> None:
    first, _second = stored(alice), stored(alice)

    one = client.post(f"{LIST}{first.conversation}/delete/", follow=True)
    left = Conversation.everything.count()
    every = client.post(f"{LIST}delete/", follow=True)

    assert left == 1 and 'role="status"' in one.content.decode()
    assert not Message.everything.exists() and "Nothing is stored." in every.content.decode()


def test_forms_need_their_token(alice: User) -> None:
    kept = stored(alice)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)

    for address in (f"{LIST}delete/", f"{LIST}{kept.conversation}/delete/", f"{LIST}{kept.conversation}/rename/"):
        assert strict.post(address).status_code == 403
    assert Message.objects.count() == 2


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ({"days": 6, "hours": 23}, "gone in 6 days"),
        ({"days": 1}, "gone in 1 day"),
        ({"hours": 23, "minutes": 59}, "gone in 23 hours"),
        ({"minutes": 59, "seconds": 59}, "gone in 59 minutes"),
        ({"seconds": 59}, "gone within a minute"),
        ({"seconds": -5}, "gone within a minute"),
    ],
)
def test_the_countdown_in_words(left: dict[str, int], words: str) -> None:
    with translation.override("en"):
        assert conversations.countdown(datetime.timedelta(**left)) == words


def test_the_countdown_is_on_both_pages(alice: User, client: Client) -> None:
    kept = stored(alice)
    age(kept.conversation, 4 * DAY)

    for address in (LIST, f"{LIST}{kept.conversation}/"):
        page = client.get(address).content.decode()
        assert "gone in 2 days" in page and '<time datetime="20' in page


def test_the_list_says_whether_new_questions_are_kept(client: Client, alice: User) -> None:
    agreed = client.get(LIST).content.decode()
    client.post("/account/consent/keep-chats/withdraw/")
    withdrawn = client.get(LIST).content.decode()

    assert "New questions are kept" in agreed and "Nothing new is kept" in withdrawn
    assert reverse("account:consents") in withdrawn


def test_the_page_of_consents_asks_with_our_words_and_an_unticked_box(client: Client, alice: User) -> None:
    agreed = client.get(reverse("account:consents")).content.decode()
    client.post("/account/consent/keep-chats/withdraw/")
    asked = client.get(reverse("account:consents")).content.decode()

    assert consent.wording("en") in agreed and reverse("chat:consent-withdraw") in agreed
    assert reverse("chat:consent-give") not in agreed
    assert asked.count('type="checkbox"') == agreed.count('type="checkbox"') + 1 and "checked" not in asked
    assert consent.wording("en") in asked and reverse("chat:consent-give") in asked


def test_a_long_list_comes_in_pages_and_at_few_queries(
    alice: User, client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(53):
        stored(alice, f"Question {number}?")

    with django_assert_max_num_queries(8):
        first = client.get(LIST).content.decode()
    second = client.get(f"{LIST}?page=2").content.decode()

    assert "Question 52?" in first and "Question 2?" not in first and "?page=2" in first
    assert "Question 2?" in second and "Question 52?" not in second


def test_the_export_holds_what_is_stored_in_words_and_dates(alice: User) -> None:
    stored(alice, "Which licence?")

    (exported,) = exports.exported(alice)

    (turn,) = exported["turns"]
    assert turn["question"] == "Which licence?" and turn["answers"][0]["text"] == "Under Apache 2.0."
    assert exported["expires_at"] > turn["asked_at"]


def test_stored_conversations_are_not_in_the_admin() -> None:
    assert not {"Conversation", "Message"} & {model.__name__ for model in admin.site._registry}
