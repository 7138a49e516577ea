"""The link into the admin: once, within fifteen minutes, by a press and not by a preview."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts import staff
from accounts.errors import LinkRefused
from accounts.models import User


@pytest.fixture
def path(dana: User) -> str:
    return f"/accounts/staff/{staff.link_token(dana)}/"


def test_a_press_signs_in_and_opens_the_admin(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200
    response = client.post(path, follow=True)

    assert response.redirect_chain == [("/admin/", 302)]
    assert response.status_code == 200


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


def test_the_admin_asks_for_a_link_and_takes_no_password(client: Client) -> None:
    response = client.get("/admin/", follow=True)

    assert response.status_code == 403
    assert b'type="password"' not in response.content
    assert client.post("/admin/login/", {"username": "dana@example.org", "password": "x"}).status_code == 405
