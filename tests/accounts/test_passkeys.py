"""Passkeys without a browser: what is refused. The ceremonies themselves: tests/browser/test_signin.py."""

import json
from typing import Any

import pytest
from django.test import Client

from accounts import attempts, factors
from accounts.adapter import FactorAdapter
from accounts.models import User
from tests.signed_in import sign_in

UNUSABLE = [
    "",
    "null",
    "[]",
    "{}",
    '{"response": {}}',
    '{"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "AA"}}',
    json.dumps(
        {
            "id": "AA",
            "rawId": "AA",
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": "e30",
                "authenticatorData": "AA",
                "signature": "AA",
                "userHandle": "AAAAAAAAAAAAAAAAAAAAAA",
                "attestationObject": "oA",
            },
        }
    ),
]


@pytest.mark.django_db
@pytest.mark.parametrize("credential", UNUSABLE)
def test_what_is_no_passkey_signs_nobody_in(client: Client, alice: User, credential: str) -> None:
    client.post("/accounts/passkey/options/")

    response = client.post("/accounts/passkey/", {"credential": credential})

    assert response.status_code == 422
    assert "_auth_user_id" not in client.session


@pytest.mark.django_db
@pytest.mark.parametrize("credential", UNUSABLE)
def test_what_is_no_passkey_is_not_added(client: Client, alice: User, credential: str) -> None:
    sign_in(client, alice, "code")
    client.get("/accounts/factors/passkeys/add/")

    response = client.post("/accounts/factors/passkeys/add/", {"credential": credential})

    assert response.status_code == 422 and not factors.has_any(alice)


@pytest.mark.django_db
def test_a_challenge_names_our_host_and_no_person(client: Client, alice: User) -> None:
    options = client.post("/accounts/passkey/options/").json()["publicKey"]

    assert options["rpId"] == "localhost" and options["userVerification"] == "required"
    assert not options.get("allowCredentials")


@pytest.mark.django_db
def test_challenges_from_one_address_have_a_limit(client: Client) -> None:
    answers = [
        client.post("/accounts/passkey/options/", REMOTE_ADDR="198.51.100.7").status_code
        for _number in range(attempts.CHALLENGES_PER_MINUTE + 1)
    ]

    assert set(answers[:-1]) == {200} and answers[-1] == 429


@pytest.mark.django_db
def test_nobody_removes_or_renames_what_is_anothers(client: Client, alice: User) -> None:
    bob = User.objects.create_user("bob@example.org")
    sign_in(client, bob, "code")
    row = factors.Authenticator.objects.create(user=alice, type="webauthn", data={"name": "hers"})

    client.post(f"/accounts/factors/{row.pk}/remove/")
    client.post(f"/accounts/factors/passkeys/{row.pk}/name/", {"name": "mine"})

    row.refresh_from_db()
    assert row.data["name"] == "hers"


def test_secrets_are_not_readable_in_the_database_and_lost_with_the_key(settings: Any) -> None:
    adapter = FactorAdapter()
    kept = adapter.encrypt("JBSWY3DPEHPK3PXP")
    assert "JBSWY" not in kept and adapter.decrypt(kept) == "JBSWY3DPEHPK3PXP"

    settings.SECRET_KEY = "another"

    assert adapter.decrypt(kept) != adapter.decrypt(kept), "a fresh secret that fits no code"
