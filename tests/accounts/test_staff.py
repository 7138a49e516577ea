"""The door to the admin: a link that works once, within fifteen minutes, by a press; then a second factor."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts import factors, staff
from accounts.errors import LinkRefused
from accounts.models import User
from compliance.models import AuditEntry
from tests.signed_in import app_code, secret_on, sign_in


@pytest.fixture
def path(dana: User) -> str:
    return f"/accounts/staff/{staff.link_token(dana)}/"


def test_a_press_signs_in_and_opens_the_enrolment_of_a_second_factor(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200
    response = client.post(path, follow=True)

    assert response.redirect_chain == [("/accounts/factors/", 302)]
    assert "Staff need a second factor" in response.content.decode()


@pytest.mark.parametrize("target", ["/admin/", "/admin/inference/model/", "/account/", "/account/export/"])
def test_nothing_else_opens_before_there_is_one(client: Client, path: str, target: str) -> None:
    client.post(path)

    response = client.get(target, follow=True)

    assert response.redirect_chain[-1][0] == "/accounts/factors/"


def test_an_app_opens_the_admin_and_the_next_link_asks_for_it(client: Client, dana: User, path: str) -> None:
    client.post(path)
    page = client.get("/accounts/factors/app/").content.decode()
    secret = secret_on(page)
    added = client.post("/accounts/factors/app/", {"code": app_code(secret)})
    assert added["Location"] == "/accounts/factors/recovery-codes/"
    assert client.get("/admin/").status_code == 200

    other = Client()
    dana.refresh_from_db()
    asked = other.post(f"/accounts/staff/{staff.link_token(dana)}/")
    assert asked["Location"] == "/accounts/factor/" and "_auth_user_id" not in other.session
    assert other.get("/admin/").status_code == 302
    assert other.post("/accounts/factor/", {"code": "000000"}).status_code == 422
    assert other.post("/accounts/factor/", {"code": app_code(secret, period=1)})["Location"] == "/admin/"
    assert other.get("/admin/").status_code == 200


def test_a_recovery_code_stands_in_once(client: Client, dana: User, path: str) -> None:
    client.post(path)
    secret = secret_on(client.get("/accounts/factors/app/").content.decode())
    client.post("/accounts/factors/app/", {"code": app_code(secret)})
    code = factors.recovery_codes(dana)[0]

    answers = []
    for _time in range(2):
        other = Client()
        dana.refresh_from_db()
        other.post(f"/accounts/staff/{staff.link_token(dana)}/")
        answers.append(other.post("/accounts/factor/", {"code": code}).status_code)

    assert answers == [302, 422]


def test_wrong_codes_of_an_app_are_counted_like_wrong_codes_by_mail(client: Client, dana: User, path: str) -> None:
    client.post(path)
    secret = secret_on(client.get("/accounts/factors/app/").content.decode())
    client.post("/accounts/factors/app/", {"code": app_code(secret)})
    other = Client()
    dana.refresh_from_db()
    other.post(f"/accounts/staff/{staff.link_token(dana)}/")

    answers = [other.post("/accounts/factor/", {"code": f"{number:06}"}).status_code for number in range(16)]

    assert answers[-1] == 429
    assert other.post("/accounts/factor/", {"code": app_code(secret, period=1)}).status_code == 429


def test_the_last_factor_of_staff_stays(client: Client, dana: User, path: str) -> None:
    client.post(path)
    secret = secret_on(client.get("/accounts/factors/app/").content.decode())
    client.post("/accounts/factors/app/", {"code": app_code(secret)})
    held = factors.of(dana)["app"]

    page = client.post(f"/accounts/factors/{held.pk}/remove/")

    assert "Add another one first" in page.content.decode()
    assert factors.has_any(dana)


def test_a_session_that_has_not_shown_the_factor_is_asked_for_it(client: Client, dana: User, path: str) -> None:
    owner = Client()
    owner.post(path)
    secret = secret_on(owner.get("/accounts/factors/app/").content.decode())
    owner.post("/accounts/factors/app/", {"code": app_code(secret)})
    sign_in(client, dana, "code")

    page = client.get("/admin/", follow=True)
    assert page.redirect_chain[-1][0] == "/accounts/proof/?next=%2Fadmin%2F&factor=1"
    assert "code to dana@example.org" not in page.content.decode()
    answer = client.post("/accounts/proof/factor/", {"code": app_code(secret, period=1), "next": "/admin/"})

    assert answer["Location"] == "/admin/"
    assert client.get("/admin/").status_code == 200


def test_a_code_by_mail_alone_does_not_open_the_admin(client: Client, dana: User) -> None:
    sign_in(client, dana, "code")

    assert client.get("/admin/").status_code == 302
    assert client.get("/admin/inference/model/").status_code == 302


def test_who_is_no_staff_is_told_so(client: Client, alice: User) -> None:
    sign_in(client, alice, "code", "mfa")

    response = client.get("/admin/", follow=True)

    assert response.status_code == 403 and "This door is for staff" in response.content.decode()


def test_looking_at_the_link_does_not_use_it_up(client: Client, path: str) -> None:
    client.get(path)

    assert "_auth_user_id" not in client.session
    assert client.post(path).status_code == 302


def test_it_works_once(client: Client, path: str) -> None:
    client.post(path)
    second = Client().post(path)

    assert second.status_code == 403


def test_it_dies_after_fifteen_minutes(dana: User, monkeypatch: pytest.MonkeyPatch) -> None:
    token = staff.link_token(dana)
    monkeypatch.setattr(staff, "LINK_AGE_S", -1)

    with pytest.raises(LinkRefused):
        staff.redeem(token)


@pytest.mark.django_db(transaction=True)
def test_of_eight_presses_at_once_one_gets_in() -> None:
    user = User.objects.create_user("dana@example.org", is_staff=True)
    token = staff.link_token(user)

    def press(_number: int) -> bool:
        try:
            staff.redeem(token)
        except LinkRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(press, range(8))) == 1


def test_who_is_no_longer_staff_is_refused(dana: User) -> None:
    token = staff.link_token(dana)
    User.objects.update(is_staff=False)

    with pytest.raises(LinkRefused):
        staff.redeem(token)


@pytest.mark.django_db
def test_the_command_prints_a_link_that_works(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("make_staff", "New.Person@Example.org")
    link = capsys.readouterr().out.strip()

    assert client.post(link.removeprefix("http://localhost:8000")).status_code == 302
    assert User.objects.get().is_staff


@pytest.mark.django_db
def test_the_command_refuses_what_is_no_address() -> None:
    with pytest.raises(CommandError):
        call_command("make_staff", "nobody")


@pytest.mark.django_db
def test_addresses_are_one_person_whatever_their_case() -> None:
    staff.make_staff("Dana@Example.org")
    staff.make_staff("dana@example.ORG")

    assert User.objects.count() == 1


def test_the_admin_asks_to_sign_in_and_takes_no_password(client: Client) -> None:
    response = client.get("/admin/", follow=True)

    assert response.redirect_chain[-1][0] == "/accounts/enter/?next=%2Fadmin%2F"
    assert b'type="password"' not in response.content
    assert client.post("/admin/login/", {"username": "dana@example.org", "password": "x"}).status_code == 405


def test_making_staff_is_in_the_audit_log(db: None) -> None:
    user = staff.make_staff("dana@example.org")

    entry = AuditEntry.objects.get(action="staff.made")
    assert entry.object_id == str(user.public_id) and entry.actor == "operator"


def test_the_operator_can_forget_factors_that_are_lost(
    client: Client, dana: User, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post(path)
    secret = secret_on(client.get("/accounts/factors/app/").content.decode())
    client.post("/accounts/factors/app/", {"code": app_code(secret)})

    call_command("make_staff", dana.email, forget_factors=True)
    link = capsys.readouterr().out.strip().removeprefix("http://localhost:8000")

    assert Client().post(link)["Location"] == "/accounts/factors/"
    assert AuditEntry.objects.filter(action="account.factors-reset").exists()
