"""The counters in front of sign-in: three codes compared, buckets for known and unknown browsers, limits for all."""

import datetime
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core import mail
from django.db import connection
from django.test import Client

from accounts import attempts, closing, codes
from accounts.attempts import (
    CODES_PER_ADDRESS,
    CODES_PER_BUCKET,
    FAILURES_PER_ADDRESS,
    FAILURES_PER_BUCKET,
    FAILURES_SITE_WIDE,
    WINDOW,
)
from accounts.codes import Place
from accounts.errors import CodeRefused, TooMany, TooSoon
from accounts.models import FailedSignIn, KnownBrowser, QueuedMail, SignInCode, User
from compliance import alarms
from compliance.models import AuditEntry
from tests.accounts.test_signin import ask, code_in

ENTER = SignInCode.Purpose.ENTER
NOWHERE = Place("", "address-a")
HOME = Place("alices-browser", "address-a")


def issued(email: str = "alice@example.org", at: Place = NOWHERE) -> tuple[SignInCode, str]:
    """Return a code that was sent, an hour after the one before."""
    SignInCode.objects.all().update(issued_at=_earlier(1))
    mail.outbox.clear()
    row = codes.send(email, ENTER, at, "en")
    return row, code_in(mail.outbox[0])


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06}"


def fail(row: SignInCode, code: str, at: Place = NOWHERE) -> None:
    with pytest.raises(CodeRefused):
        codes.compare(row.public_id, wrong(code), ENTER, at)


def failures(count: int, **columns: str | bool) -> None:
    FailedSignIn.objects.bulk_create(
        FailedSignIn(**{"bucket": "b", "address_name": "a", **columns}) for _ in range(count)
    )


def _earlier(hours: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=hours)


@pytest.fixture
def at_home(alice: User) -> Place:
    KnownBrowser.objects.create(user=alice, digest=HOME.browser)
    return HOME


# --- three compared, for real ---


@pytest.mark.django_db(transaction=True)
def test_of_sixty_wrong_codes_at_once_three_are_compared_and_the_right_one_is_refused_then(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    ask(client, "alice@example.org")
    right = code_in(mail.outbox[0])
    cookie, together = client.cookies["session"].value, Barrier(60)

    def guess(number: int) -> int:
        guesser = Client()
        guesser.cookies["session"] = cookie
        together.wait()
        try:
            return guesser.post("/accounts/code/", {"code": f"{(int(right) + 1 + number) % 1_000_000:06}"}).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(guess, range(60)))
    late = client.post("/accounts/code/", {"code": right})

    assert set(answers) <= {422, 503}
    assert SignInCode.objects.get().compared == FailedSignIn.objects.count() == 3
    assert late.status_code == 422 and "_auth_user_id" not in client.session
    assert len([line for line in caplog.messages if "code void" in line]) == 1


@pytest.mark.django_db(transaction=True)
def test_of_eight_right_codes_at_once_one_gets_in() -> None:
    row, right = issued()

    def enter(_number: int) -> bool:
        try:
            codes.compare(row.public_id, right, ENTER, NOWHERE)
        except CodeRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(8))) == 1


@pytest.mark.django_db(transaction=True)
def test_of_twenty_requests_at_once_one_sends_a_code() -> None:
    def send(_number: int) -> bool:
        try:
            codes.send("alice@example.org", ENTER, NOWHERE, "en")
        except TooSoon:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(send, range(20))) == 1
    assert len(mail.outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_the_owner_is_told_once_however_many_come_at_once(alice: User) -> None:
    bucket = attempts.bucket_for(alice.email, "")
    failures(FAILURES_PER_BUCKET, bucket=bucket.key)

    def send(_number: int) -> None:
        with pytest.raises(TooMany):
            codes.send(alice.email, ENTER, NOWHERE, "en")
        connection.close()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(send, range(20)))

    assert QueuedMail.objects.get().template == "signin-refused"
    assert AuditEntry.objects.get().action == "signin.refused"
    assert not mail.outbox


# --- windows ---


@pytest.mark.django_db
def test_a_code_is_followed_by_thirty_seconds_without_one() -> None:
    codes.send("alice@example.org", ENTER, NOWHERE, "en")

    with pytest.raises(TooSoon) as refused:
        codes.send("Alice@Example.org", ENTER, Place("", "address-b"), "en")
    assert 0 < refused.value.wait_s <= 30


@pytest.mark.django_db
@pytest.mark.parametrize("known", [True, False])
def test_an_address_gets_ten_codes_a_day_whether_it_has_an_account_or_not(known: bool) -> None:
    if known:
        User.objects.create_user("alice@example.org")
    for _number in range(CODES_PER_BUCKET):
        issued()

    with pytest.raises(TooMany) as refused:
        issued()
    assert not isinstance(refused.value, TooSoon)
    assert 22 * 3600 < refused.value.wait_s <= 23 * 3600 + 1
    assert QueuedMail.objects.count() == int(known)


@pytest.mark.django_db
def test_the_window_moves() -> None:
    for _number in range(CODES_PER_BUCKET):
        issued()
    SignInCode.objects.filter(pk=SignInCode.objects.order_by("pk")[0].pk).update(issued_at=_earlier(24.1))

    codes_before = len(SignInCode.objects.all())
    SignInCode.objects.filter(issued_at__gt=_earlier(24)).update(issued_at=_earlier(2))
    codes.send("alice@example.org", ENTER, NOWHERE, "en")

    assert SignInCode.objects.count() == codes_before + 1


@pytest.mark.django_db
def test_fifteen_failures_close_the_door_to_new_devices_and_not_to_a_known_one(at_home: Place) -> None:
    for _number in range(5):
        row, code = issued()
        for _try in range(3):
            fail(row, code)

    with pytest.raises(TooMany):
        issued()
    row, code = issued(at=at_home)
    assert codes.compare(row.public_id, code, ENTER, at_home).used_at is None


@pytest.mark.django_db
def test_a_full_bucket_refuses_the_right_code_too() -> None:
    row, code = issued()
    failures(FAILURES_PER_BUCKET, bucket=row.bucket)

    with pytest.raises(TooMany):
        codes.compare(row.public_id, code, ENTER, NOWHERE)


@pytest.mark.django_db
def test_a_right_code_is_no_failure() -> None:
    row, code = issued()

    codes.compare(row.public_id, code, ENTER, NOWHERE)

    assert not FailedSignIn.objects.exists()


@pytest.mark.django_db
def test_another_persons_known_browser_is_a_new_device(at_home: Place) -> None:
    assert attempts.bucket_for("alice@example.org", at_home.browser).known
    assert not attempts.bucket_for("bob@example.org", at_home.browser).known


@pytest.mark.django_db
def test_thirty_failures_from_one_address_close_it_for_everybody_there(at_home: Place) -> None:
    failures(FAILURES_PER_ADDRESS, address_name=at_home.address_name)

    with pytest.raises(TooMany):
        codes.send("bob@example.org", ENTER, Place("", at_home.address_name), "en")
    codes.send("bob@example.org", ENTER, Place("", "address-b"), "en")


@pytest.mark.django_db
def test_three_hundred_failures_close_the_door_to_all_new_devices_and_raise_an_alarm(at_home: Place) -> None:
    failures(FAILURES_SITE_WIDE, at_account=True)

    with pytest.raises(TooMany):
        codes.send("bob@example.org", ENTER, Place("", "address-b"), "en")
    codes.send("alice@example.org", ENTER, at_home, "en")
    assert "accounts.signin" in [alarm.id for alarm in alarms.active()]


@pytest.mark.django_db
def test_failures_at_addresses_without_an_account_close_nobodys_door(alice: User) -> None:
    failures(FAILURES_SITE_WIDE)
    row, code = issued("nobody@example.org")
    fail(row, code)
    assert not FailedSignIn.objects.filter(at_account=True).exists()

    row, code = issued()
    fail(row, code)

    assert FailedSignIn.objects.filter(at_account=True).count() == 1
    assert "accounts.signin" not in [alarm.id for alarm in alarms.active()]


@pytest.mark.django_db(transaction=True)
def test_however_many_ask_at_once_one_client_address_gets_sixty_codes() -> None:
    place = Place("", "address-b")
    SignInCode.objects.bulk_create(
        SignInCode(bucket=f"{number}", address_name=place.address_name, expires_at=_earlier(0), issued_at=_earlier(1))
        for number in range(CODES_PER_ADDRESS - 1)
    )

    def send(number: int) -> bool:
        try:
            codes.send(f"bob{number}@example.org", ENTER, place, "en")
        except TooMany:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(8))) == 1


@pytest.mark.django_db
def test_the_right_code_of_a_person_who_was_erased_is_refused(alice: User) -> None:
    row, code = issued()
    closing.erase(closing.close(alice).pk)

    with pytest.raises(CodeRefused):
        codes.compare(row.public_id, code, ENTER, NOWHERE)
    assert not User.objects.exists()


@pytest.mark.django_db
def test_a_code_dies_after_ten_minutes() -> None:
    row, code = issued()
    SignInCode.objects.update(expires_at=_earlier(0.01))

    with pytest.raises(CodeRefused):
        codes.compare(row.public_id, code, ENTER, NOWHERE)


@pytest.mark.django_db
def test_a_code_for_one_thing_does_not_do_for_another() -> None:
    row, code = issued()

    with pytest.raises(CodeRefused):
        codes.compare(row.public_id, code, SignInCode.Purpose.PROOF, NOWHERE)


@pytest.mark.django_db
def test_nothing_is_kept_that_is_no_longer_counted() -> None:
    issued()
    failures(2)
    SignInCode.objects.update(issued_at=_earlier(25), expires_at=_earlier(24.8))
    FailedSignIn.objects.update(at=_earlier(25))
    fresh, _code = issued("bob@example.org")
    SignInCode.objects.filter(pk=fresh.pk).update(expires_at=_earlier(0.1))
    SignInCode.objects.exclude(pk=fresh.pk).update(issued_at=_earlier(25))

    codes.forget_old()

    assert [row.email for row in SignInCode.objects.all()] == [""]
    assert not FailedSignIn.objects.exists() and WINDOW.days == 1
