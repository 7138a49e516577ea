"""Fresh proof: for half an hour after a code, a passkey or an app, and then again."""

import time

import pytest
from django.core import mail
from django.test import Client

from accounts.models import SignInCode, User
from tests.accounts.test_signin import code_in
from tests.signed_in import sign_in

pytestmark = pytest.mark.django_db
GUARDED = "/accounts/factors/passkeys/add/"


def test_who_has_just_signed_in_has_proven_it(client: Client, alice: User) -> None:
    sign_in(client, alice, "code")

    assert client.get(GUARDED).status_code == 200


def test_half_an_hour_later_a_code_is_asked_for_and_leads_back(client: Client, alice: User) -> None:
    sign_in(client, alice, "code", at=time.time() - 1801)
    asked = client.get(GUARDED)
    assert asked["Location"] == f"/accounts/proof/?next={GUARDED.replace('/', '%2F')}"

    sent = client.post("/accounts/proof/send/", {"next": GUARDED})
    back = client.post(sent["Location"].partition("?")[0], {"code": code_in(mail.outbox[0]), "next": GUARDED})

    assert mail.outbox[0].to == ["alice@example.org"]
    assert back["Location"] == GUARDED and client.get(GUARDED).status_code == 200


def test_a_wrong_code_proves_nothing(client: Client, alice: User) -> None:
    sign_in(client, alice, "code", at=time.time() - 1801)
    client.post("/accounts/proof/send/", {"next": GUARDED})
    wrong = f"{(int(code_in(mail.outbox[0])) + 1) % 1_000_000:06}"

    response = client.post("/accounts/proof/code/", {"code": wrong, "next": GUARDED})

    assert response.status_code == 422 and "2 more tries" in response.content.decode()
    assert client.get(GUARDED).status_code == 302


def test_a_code_for_signing_in_is_no_proof(client: Client, alice: User) -> None:
    sign_in(client, alice, "code", at=time.time() - 1801)
    client.post("/accounts/proof/send/", {"next": GUARDED})
    SignInCode.objects.update(purpose=SignInCode.Purpose.ENTER)

    response = client.post("/accounts/proof/code/", {"code": code_in(mail.outbox[0]), "next": GUARDED})

    assert response.status_code == 422


def test_nobody_is_sent_to_sign_in_first(client: Client) -> None:
    assert client.get(GUARDED)["Location"].startswith("/accounts/enter/?next=")


def test_a_proof_is_no_way_to_another_site(client: Client, alice: User) -> None:
    sign_in(client, alice, "code")
    client.post("/accounts/proof/send/", {"next": "https://elsewhere.example/"})

    code = code_in(mail.outbox[0])
    response = client.post("/accounts/proof/code/", {"code": code, "next": "https://elsewhere.example/"})

    assert response["Location"] == "/accounts/factors/"
