"""One box for everybody: a code goes to the address, and only who enters it rightly has an account."""

import datetime
import re
from typing import Any

import pytest
from django.core import mail
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from accounts import attempts, browsers, closing
from accounts.models import KnownBrowser, SignInCode, User
from compliance.models import AuditEntry
from siteproject.stack.probe import free_port

pytestmark = pytest.mark.django_db


def code_in(message: Any) -> str:
    found = re.search(r"\b([0-9]{6})\b", message.body)
    assert found
    return found.group(1)


def ask(client: Client, email: str, **fields: str) -> Any:
    return client.post("/accounts/enter/", {"email": email, **fields})


def test_a_new_address_becomes_an_account_once_its_code_is_entered(client: Client) -> None:
    response = ask(client, "alice@example.org", next="/account/consents/")
    assert response.status_code == 302 and response["Location"] == "/accounts/code/"
    assert not User.objects.exists()

    response = client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    user = User.objects.get()
    assert response["Location"] == "/account/consents/"
    assert client.session["_auth_user_id"] == str(user.pk)
    assert user.email == "alice@example.org" and not user.has_usable_password()
    assert AuditEntry.objects.get().action == "account.created"


def test_known_and_unknown_addresses_get_the_same_answer_and_the_same_mail(client: Client, alice: User) -> None:
    known, unknown = ask(client, "ALICE@example.org"), ask(Client(), "bob@example.org")

    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    first, second = mail.outbox
    assert first.subject == second.subject
    assert first.body.replace(code_in(first), "") == second.body.replace(code_in(second), "")


def test_the_subject_does_not_tell_the_code(client: Client) -> None:
    ask(client, "alice@example.org")

    assert not re.search("[0-9]", mail.outbox[0].subject)
    assert mail.outbox[0].alternatives[0][1] == "text/html"


def test_the_language_of_the_page_is_that_of_the_mail_and_of_the_account(client: Client) -> None:
    page = client.get("/accounts/enter/?language=fr")
    assert '<html lang="fr"' in page.content.decode()

    client.post("/accounts/enter/?language=fr", {"email": "alice@example.org"})
    assert '<html lang="fr"' in client.get("/accounts/code/").content.decode()
    client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    assert mail.outbox[0].extra_headers["Content-Language"] == "fr"
    assert User.objects.get().language == "fr"


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_site(client: Client, target: str) -> None:
    ask(client, "alice@example.org", next=target)
    response = client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    assert response["Location"] == "/accounts/factors/"


def test_the_session_gets_a_new_name_at_sign_in(client: Client) -> None:
    ask(client, "alice@example.org")
    before = client.session.session_key

    client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    assert client.session.session_key != before
    assert client.session.get_expiry_age() == 14 * 24 * 3600


def test_a_code_opens_only_the_browser_that_asked_for_it(client: Client) -> None:
    ask(client, "alice@example.org")

    response = Client().post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    assert response["Location"] == "/accounts/enter/"
    assert not User.objects.exists()


def test_a_code_works_once(client: Client) -> None:
    ask(client, "alice@example.org")
    session, code = dict(client.session), code_in(mail.outbox[0])
    client.post("/accounts/code/", {"code": code})

    other = Client()
    later = other.session
    later.update(session)
    later.save()
    other.cookies["session"] = later.session_key
    response = other.post("/accounts/code/", {"code": code})

    assert response["Location"] == "/accounts/enter/"
    assert "_auth_user_id" not in other.session


def test_a_code_may_be_pasted_with_spaces(client: Client) -> None:
    ask(client, "alice@example.org")
    code = code_in(mail.outbox[0])

    response = client.post("/accounts/code/", {"code": f" {code[:3]} {code[3:]}\n"})

    assert response.status_code == 302 and User.objects.exists()


def test_the_browser_is_known_afterwards_by_a_cookie_that_tells_nothing(client: Client) -> None:
    ask(client, "alice@example.org")
    response = client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    cookie = response.cookies["browser"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["max-age"] == 400 * 24 * 3600
    assert KnownBrowser.objects.get().digest not in cookie.value


def test_a_browser_not_seen_for_longer_than_its_cookie_lives_is_forgotten(alice: User) -> None:
    long_ago = Now() - browsers.KEPT - datetime.timedelta(days=1)
    KnownBrowser.objects.create(user=alice, digest="old", last_seen_at=long_ago)
    KnownBrowser.objects.create(user=alice, digest="new")

    assert browsers.forget_old() == 1
    assert KnownBrowser.objects.get().digest == "new"


def test_no_address_is_kept_with_a_code_that_was_used(client: Client) -> None:
    ask(client, "alice@example.org")
    client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    assert SignInCode.objects.get().email == ""


def test_the_address_is_not_in_the_session_and_gone_everywhere_after_an_erasure(client: Client, alice: User) -> None:
    ask(client, "alice@example.org")
    assert "alice@example.org" in client.get("/accounts/code/").content.decode()
    assert "alice" not in str(dict(client.session))

    closing.erase(closing.close(alice).pk)

    assert client.get("/accounts/code/")["Location"] == "/accounts/enter/"
    assert client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})["Location"] == "/accounts/enter/"
    assert client.post("/accounts/code/send/")["Location"] == "/accounts/enter/"
    assert not User.objects.exists() and not SignInCode.objects.exclude(email="").exists()


def test_who_is_closed_does_not_get_in(client: Client, alice: User) -> None:
    User.objects.update(is_active=False)
    ask(client, "alice@example.org")

    response = client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    assert response.status_code == 403
    assert "_auth_user_id" not in client.session


def test_a_mail_server_that_is_away_is_told_and_no_code_waits(client: Client, settings: Any, unused_port: int) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", unused_port

    response = ask(client, "alice@example.org")

    assert response.status_code == 503
    assert 'value="alice@example.org"' in response.content.decode()
    assert not SignInCode.objects.exclude(email="", sent_at=None).exists()


def test_what_is_no_address_is_refused_before_anything_is_sent(client: Client) -> None:
    response = ask(client, "alice")

    assert response.status_code == 422
    assert not mail.outbox


def test_signing_out_ends_the_session_and_keeps_the_browser_known(client: Client) -> None:
    ask(client, "alice@example.org")
    client.post("/accounts/code/", {"code": code_in(mail.outbox[0])})

    client.post("/accounts/leave/")

    assert "_auth_user_id" not in client.session
    assert KnownBrowser.objects.count() == 1


@pytest.fixture
def unused_port() -> int:
    return free_port()


def test_asking_again_at_once_keeps_the_code_of_before(client: Client) -> None:
    ask(client, "alice@example.org")

    again = client.post("/accounts/code/send/")

    assert again.status_code == 429 and 'id="code"' in again.content.decode()
    assert client.post("/accounts/code/", {"code": code_in(mail.outbox[0])}).status_code == 302


def test_a_full_bucket_says_when_it_opens_and_what_goes_on_working(client: Client) -> None:
    SignInCode.objects.bulk_create(
        SignInCode(
            bucket=attempts.bucket_for("alice@example.org", "").key,
            expires_at=timezone.now(),
            issued_at=at,
            sent_at=at,
        )
        for at in [timezone.now() - datetime.timedelta(hours=2)] * attempts.CODES_PER_BUCKET
    )

    response = ask(client, "alice@example.org")

    assert response.status_code == 429 and 79_000 < int(response["Retry-After"]) <= 79_201
    assert "in 22 hours" in response.content.decode() and "passkey" in response.content.decode()
