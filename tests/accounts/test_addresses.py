"""One mailbox has one spelling: what is proven is what is looked up, and no letters that merely look alike."""

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import attempts, signin
from accounts.addresses import canonical
from accounts.errors import CodeRefused
from accounts.models import SignInCode, User
from tests.accounts.test_signin import ask, code_in

pytestmark = pytest.mark.django_db
DOTLESS, LONG_S, KELVIN, SOFT_HYPHEN = "\u0131", "\u017f", "\u212a", "\u00ad"


@pytest.mark.parametrize("letter", [DOTLESS, LONG_S, KELVIN, "\u0130"])
def test_a_letter_that_looks_alike_signs_nobody_in_as_somebody_else(client: Client, letter: str) -> None:
    plain = {DOTLESS: "i", LONG_S: "s", KELVIN: "k", "\u0130": "i"}[letter]
    victim = User.objects.create_user("alice@misk.org")

    answer = ask(client, "alice@misk.org".replace(plain, letter))
    if answer.status_code == 302:
        client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    reached = mail.outbox[0].to[0] if mail.outbox else ""
    assert reached == victim.email or client.session.get("_auth_user_id") != str(victim.pk)


@pytest.mark.parametrize(
    "typed",
    [
        f"al{DOTLESS}ce@example.org",
        f"{KELVIN}im@example.org",
        "élodie@example.org",
        '"bob"@example.org',
        '"b\\ob"@example.org',
        "bob@[127.0.0.1]",
        "bob@example.org.",
        "bob@-example.org",
        "bob@example\uff0eorg\u3002",
        "bob",
        "",
        f"{'b' * 60}@{'ö' * 50}.{'ö' * 50}.{'ö' * 50}.{'ö' * 50}.org",
    ],
)
def test_what_has_more_than_one_reading_is_no_address(client: Client, typed: str) -> None:
    with pytest.raises(ValidationError):
        canonical(typed)

    assert ask(client, typed).status_code == 422
    assert not mail.outbox and not SignInCode.objects.exists()


@pytest.mark.parametrize(
    "typed",
    [
        "Bob@Example.ORG",
        " bob@example.org ",
        "bob@\uff45xample.org",
        f"bob@exam{SOFT_HYPHEN}ple.org",
        "bob@example\u3002org",
    ],
)
def test_spellings_of_one_mailbox_are_one_address(typed: str) -> None:
    assert canonical(typed) == "bob@example.org"


def test_a_domain_in_other_letters_is_kept_and_written_to_as_the_name_it_stands_for(client: Client) -> None:
    ask(client, "bob@Straße.example")
    client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    assert mail.outbox[0].recipients() == ["bob@xn--strae-oqa.example"]
    assert User.objects.get().email == "bob@xn--strae-oqa.example"


def test_one_mailbox_has_one_pause_whatever_is_added_to_its_name(client: Client) -> None:
    spellings = [
        "bob@example.org",
        "BOB@example.org",
        "bob@\uff45xample.org",
        f"bob@exam{SOFT_HYPHEN}ple.org",
        "bob+1@example.org",
    ]

    answers = [ask(Client(), each).status_code for each in spellings]

    assert answers == [302, 429, 429, 429, 429]
    assert attempts.bucket_for("bob+a@example.org", "") == attempts.bucket_for("bob@example.org", "")


def test_an_addition_to_the_name_is_an_account_of_its_own(client: Client, alice: User) -> None:
    ask(client, "alice+list@example.org")

    client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    assert client.session["_auth_user_id"] != str(alice.pk) and User.objects.count() == 2


def test_an_account_with_another_address_than_the_proven_one_is_not_opened() -> None:
    User.objects.bulk_create([User(email=f"al{DOTLESS}ce@example.org"), User(email="Bob@example.org")])

    assert signin.person_for("alice@example.org", "en").email == "alice@example.org"
    assert signin.person_for("bob@example.org", "en").email == "Bob@example.org"
    with pytest.raises(CodeRefused):
        signin.person_for(f"al{DOTLESS}ce@example.org", "en")


def test_people_are_made_and_found_by_the_one_spelling() -> None:
    made = User.objects.create_user("Dana@Example.org")

    assert made.email == "dana@example.org"
    assert User.objects.get_by_natural_key("DANA@example.org") == made
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key("d\u00e1na@example.org")
    with pytest.raises(ValidationError):
        User.objects.create_user("d\u00e1na@example.org")


def test_staff_are_not_made_of_addresses_with_two_readings() -> None:
    with pytest.raises(CommandError):
        call_command("make_staff", f"d{DOTLESS}na@example.org")

    assert not User.objects.exists()
