"""Passkeys without a browser: what is refused, what is kept. The ceremonies: tests/browser/test_signin.py."""

import base64
import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client

from accounts import attempts, factors
from accounts.adapter import FactorAdapter
from accounts.models import User
from tests.accounts.clients import signed_in
from tests.accounts.keys import PRESENT, Key, challenge_of, with_passkey
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


# --- with a key: tests/accounts/keys.py ---


@pytest.mark.django_db
def test_a_key_that_did_not_check_its_owner_signs_nobody_in(dana: User, alice: User) -> None:
    _owner, stolen = with_passkey(dana, "link")
    thief, _key = with_passkey(alice)

    thief.get("/accounts/proof/")
    entered = thief.post("/accounts/passkey/", {"credential": stolen.prove(challenge_of(thief), dana, PRESENT)})

    assert entered.status_code == 422 and thief.session["_auth_user_id"] == str(alice.pk)


@pytest.mark.django_db
def test_a_key_that_did_not_check_its_owner_proves_nothing(dana: User) -> None:
    _owner, stolen = with_passkey(dana, "link")
    thief = signed_in(dana)

    thief.get("/accounts/proof/")
    refused = thief.post("/accounts/proof/factor/", {"credential": stolen.prove(challenge_of(thief), dana, PRESENT)})

    assert refused.status_code == 422 and thief.get("/admin/").status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["/accounts/passkey/", "/accounts/proof/factor/"])
def test_a_challenge_that_asked_for_less_is_refused(dana: User, page: str) -> None:
    _owner, key = with_passkey(dana, "link")
    client = signed_in(dana)
    client.get("/accounts/proof/")
    session = client.session
    session["mfa.webauthn.state"] = {**session["mfa.webauthn.state"], "user_verification": "preferred"}
    session.save()

    refused = client.post(page, {"credential": key.prove(challenge_of(client), dana)})

    assert refused.status_code == 422 and client.get("/admin/").status_code == 302


@pytest.mark.django_db
def test_a_key_that_checked_its_owner_signs_in(client: Client, dana: User) -> None:
    _owner, key = with_passkey(dana, "link")

    client.post("/accounts/passkey/options/")
    client.post("/accounts/passkey/", {"credential": key.prove(challenge_of(client), dana)})

    assert client.get("/admin/").status_code == 200


TRUNCATED = "o2NmbXRkbm9uZQ"  # a map of three of which only the first is there
NESTED = base64.urlsafe_b64encode(b"\x81" * 9000).decode().rstrip("=")  # arrays in arrays


@pytest.mark.django_db
@pytest.mark.parametrize("attested", [TRUNCATED, NESTED, "_w", "gA"])
def test_a_broken_attestation_is_refused(client: Client, alice: User, attested: str) -> None:
    sign_in(client, alice, "code")
    client.get("/accounts/factors/passkeys/add/")
    credential = json.loads(Key().register(challenge_of(client)))
    credential["response"]["attestationObject"] = attested

    response = client.post("/accounts/factors/passkeys/add/", {"credential": json.dumps(credential)})

    assert response.status_code == 422 and not factors.has_any(alice)


@pytest.mark.django_db
@pytest.mark.parametrize("credential", ["[" * 15_000, "[" * 100_000, '{"a":' * 3_000, "x" * 20_001])
def test_what_is_too_deep_or_too_long_is_refused(client: Client, alice: User, credential: str) -> None:
    client.post("/accounts/passkey/options/")

    assert client.post("/accounts/passkey/", {"credential": credential}).status_code == 422


@pytest.mark.django_db
def test_of_what_a_browser_says_about_a_passkey_only_what_is_needed_is_kept(alice: User) -> None:
    with_passkey(alice, padding="x" * 15_000, authenticatorAttachment="platform")

    kept = Authenticator.objects.get(type="webauthn").data["credential"]
    assert set(kept) == {"id", "rawId", "type", "response", "clientExtensionResults"}
    assert set(kept["response"]) == {"clientDataJSON", "attestationObject"}
    assert kept["clientExtensionResults"] == {"credProps": {"rk": True}}
    assert len(json.dumps(kept)) < 1_000


@pytest.mark.django_db
def test_a_name_keeps_no_letters_that_cannot_be_shown(alice: User) -> None:
    client, _key = with_passkey(alice)
    row = Authenticator.objects.get(type="webauthn")

    client.post(f"/accounts/factors/passkeys/{row.pk}/name/", {"name": "my\x00 key\x1b"})

    row.refresh_from_db()
    assert row.data["name"] == "my key"
