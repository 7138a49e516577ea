"""What a session may do with factors, and which sessions end: those from before, those whose factor is gone."""

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client

from accounts import factors, staff
from accounts.models import User, UserSession
from compliance.models import AuditEntry
from tests.accounts.clients import signed_in
from tests.accounts.keys import challenge_of, with_passkey
from tests.signed_in import app_code, secret_on

pytestmark = pytest.mark.django_db
ADD_PASSKEY, ADD_APP = "/accounts/factors/passkeys/add/", "/accounts/factors/app/"
CODES = "/accounts/factors/recovery-codes/"
OPENED_BY_A_FACTOR = [ADD_PASSKEY, ADD_APP, f"{ADD_APP}picture.svg", CODES]


def add_app(client: Client) -> str:
    secret = secret_on(client.get(ADD_APP).content.decode())
    added = client.post(ADD_APP, {"code": app_code(secret)})
    assert added.status_code == 302
    return secret


def test_a_session_from_before_the_first_factor_of_staff_is_over(dana: User) -> None:
    thief = signed_in(dana)
    owner = signed_in(dana, method="link")

    add_app(owner)

    assert thief.get(CODES)["Location"].startswith("/accounts/enter/")
    assert owner.get("/admin/").status_code == 200


def test_a_code_by_mail_does_not_let_staff_add_their_first_factor(dana: User) -> None:
    thief = signed_in(dana)

    for page in OPENED_BY_A_FACTOR:
        refused = thief.get(page, follow=True)
        assert refused.redirect_chain[-1][0].startswith("/accounts/proof/")
        assert "Ask the operator for a link" in refused.content.decode()
        assert "Send a code" not in refused.content.decode()
    assert not factors.has_any(dana)


@pytest.mark.parametrize("page", OPENED_BY_A_FACTOR)
@pytest.mark.parametrize("promoted", [True, False])
def test_with_a_factor_a_code_by_mail_opens_neither_codes_nor_adding(alice: User, page: str, promoted: bool) -> None:
    with_passkey(alice)
    User.objects.update(is_staff=promoted)
    thief = signed_in(alice)

    refused = thief.get(page)

    assert refused["Location"].startswith("/accounts/proof/?next=") and refused["Location"].endswith("&factor=1")
    assert "Send a code" not in thief.get(refused["Location"]).content.decode()


def test_with_a_factor_a_code_by_mail_changes_nothing(alice: User) -> None:
    with_passkey(alice)
    row = Authenticator.objects.get(type="webauthn")
    codes = factors.recovery_codes(alice)
    thief = signed_in(alice)

    thief.post(f"/accounts/factors/passkeys/{row.pk}/name/", {"name": "theirs"})
    thief.post(f"/accounts/factors/{row.pk}/remove/")
    thief.post("/accounts/factors/recovery-codes/renew/")

    row.refresh_from_db()
    assert row.data["name"] == "key" and factors.recovery_codes(alice) == codes


def test_who_shows_the_factor_may_change_it(alice: User) -> None:
    _first, key = with_passkey(alice)
    client = signed_in(alice)
    client.get("/accounts/proof/")
    client.post("/accounts/proof/factor/", {"credential": key.prove(challenge_of(client), alice)})

    assert client.get(ADD_PASSKEY).status_code == client.get(CODES).status_code == 200


def test_new_recovery_codes_keep_who_came_by_an_old_one(dana: User) -> None:
    with_passkey(dana, "link")
    code = factors.recovery_codes(dana)[0]
    client, other = signed_in(dana), signed_in(dana)
    client.post("/accounts/proof/factor/", {"code": code})
    other.post("/accounts/proof/factor/", {"code": factors.recovery_codes(dana)[0]})
    assert other.get("/admin/").status_code == 200

    renewed = client.post("/accounts/factors/recovery-codes/renew/", follow=True)

    shown = re.findall(r"\b\d{8}\b|\b\d{4}[ -]\d{4}\b", renewed.content.decode())
    assert len(shown) == 10 and client.get("/admin/").status_code == 200
    assert other.get("/admin/").status_code == 302


def test_whoever_becomes_staff_begins_with_no_session_at_all(alice: User) -> None:
    client = signed_in(alice)

    staff.make_staff("alice@example.org")

    assert client.get("/account/")["Location"].startswith("/accounts/enter/")
    assert AuditEntry.objects.get(action="session.ended").actor == "operator"


def test_a_session_does_not_outlive_the_factor_it_has_shown(dana: User) -> None:
    thief, _lost = with_passkey(dana, "link")
    row = Authenticator.objects.get(type="webauthn")
    add_app(thief)
    assert thief.get("/admin/").status_code == 200
    owner = signed_in(dana)
    owner.post("/accounts/proof/factor/", {"code": factors.recovery_codes(dana)[0]})
    session = thief.session
    records = session["account_authentication_methods"]
    session["account_authentication_methods"] = [each for each in records if each.get("type") != "totp"]
    session.save()

    factors.remove(dana, row.pk)

    assert thief.get("/admin/").status_code == thief.get(CODES).status_code == 302
    assert thief.get("/account/")["Location"] == "/accounts/factors/"
    assert owner.get("/admin/").status_code == 200


def test_forgetting_the_factors_ends_every_session(dana: User, staff_client: Client) -> None:
    assert staff_client.get("/admin/").status_code == 200

    staff.forget_factors(dana)

    assert staff_client.get("/admin/").status_code == 302
    assert not UserSession.objects.exists() and not factors.has_any(dana)


def test_the_command_that_forgets_factors_prints_a_link_that_works(dana: User, capsys: Any) -> None:
    with_passkey(dana, "link")

    call_command("make_staff", dana.email, forget_factors=True)
    client = Client()
    client.post(capsys.readouterr().out.strip().removeprefix("http://localhost:8000"))

    add_app(client)
    assert client.get("/admin/").status_code == 200


def test_who_is_switched_off_has_no_session_left_not_even_when_switched_on_again(
    alice: User, staff_client: Client
) -> None:
    client = signed_in(alice)
    key = client.session.session_key
    page = f"/admin/accounts/user/{alice.pk}/change/"

    staff_client.post(page, {})
    assert not Session.objects.filter(pk=key).exists() and not UserSession.objects.filter(user=alice).exists()
    staff_client.post(page, {"is_active": "on"})

    alice.refresh_from_db()
    assert alice.is_active
    assert client.get("/account/")["Location"].startswith("/accounts/enter/")
    assert AuditEntry.objects.filter(action="user.switched").count() == 2
