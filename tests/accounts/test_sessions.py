"""Sessions: a person sees where they are signed in and ends what they like; an ended session is over at once."""

import datetime
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts import sessions
from accounts.models import User, UserSession
from accounts.signals import session_ended
from compliance.models import AuditEntry

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.org")


def signed_in(user: User) -> Client:
    client = Client(headers={"User-Agent": FIREFOX})
    client.force_login(user)
    return client


def key_of(client: Client) -> str:
    return client.session.session_key or ""


@pytest.fixture
def told() -> Any:
    """The keys of the sessions whose end was announced."""
    keys: list[str] = []

    def receiver(sender: Any, session_key: str, **kwargs: Any) -> None:
        keys.append(session_key)

    session_ended.connect(receiver)
    yield keys
    session_ended.disconnect(receiver)


def test_signing_in_makes_a_row_without_an_address(alice: User) -> None:
    signed_in(alice)

    (session,) = sessions.of(alice)
    values = [str(getattr(session, field.attname)) for field in session._meta.concrete_fields]
    assert not [value for value in values if "127.0.0.1" in value or "Mozilla" in value]


@pytest.mark.parametrize(
    ("description", "name"),
    [
        (FIREFOX, "Firefox · Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge · Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari · iPhone"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome · Android"),
        ("curl/8", ""),
    ],
)
def test_a_browser_has_a_short_name(description: str, name: str) -> None:
    assert sessions.browser_name(description) == name


def test_signing_out_takes_the_row_away_and_tells(alice: User, client: Client, told: list[str]) -> None:
    client.force_login(alice)
    key = key_of(client)

    client.logout()

    assert not UserSession.objects.exists() and not sessions.alive(key) and told == [key]


def test_ending_one_leaves_the_other(alice: User, told: list[str], django_capture_on_commit_callbacks: Any) -> None:
    here, there = signed_in(alice), signed_in(alice)
    ended = UserSession.objects.get(session_key=key_of(there))

    with django_capture_on_commit_callbacks(execute=True):
        assert sessions.end(alice, ended.public_id)

    assert sessions.alive(key_of(here)) and there.get("/account/").status_code == 302
    assert told == [ended.session_key]
    assert AuditEntry.objects.get().action == "session.ended"


def test_a_session_in_the_cache_does_not_outlive_its_row(alice: User) -> None:
    there = signed_in(alice)
    key = key_of(there)
    assert any(key in name for name in _cached())

    sessions.end_all(alice)

    assert not any(key in name for name in _cached())


def test_ending_the_others_leaves_this_one(alice: User) -> None:
    here, *others = [signed_in(alice) for _browser in range(4)]

    assert sessions.end_others(alice, key_of(here)) == 3

    assert sessions.alive(key_of(here)) and not any(sessions.alive(key_of(other)) for other in others)


def test_nobody_ends_the_session_of_somebody_else(alice: User) -> None:
    bob = User.objects.create_user("bob@example.org")
    signed_in(alice)
    (session,) = sessions.of(alice)

    assert not sessions.end(bob, session.public_id)

    assert sessions.alive(session.session_key)


def test_whether_a_session_is_alive_takes_one_query(alice: User, django_assert_num_queries: Any) -> None:
    client = signed_in(alice)
    key = key_of(client)

    with django_assert_num_queries(1):
        assert sessions.alive(key)
    assert not sessions.alive("") and not sessions.alive("unknown")


def test_a_session_that_is_too_old_is_not_alive_not_listed_and_then_forgotten(alice: User) -> None:
    client = signed_in(alice)
    key = key_of(client)
    Session.objects.update(expire_date=timezone.now() - datetime.timedelta(seconds=1))

    assert not sessions.alive(key) and not sessions.of(alice).exists()
    assert sessions.forget_dead() == 1


def test_last_seen_is_written_at_most_every_five_minutes(alice: User) -> None:
    client = signed_in(alice)
    long_ago = timezone.now() - datetime.timedelta(hours=1)
    UserSession.objects.update(seen_at=long_ago)

    client.get("/account/")
    seen = UserSession.objects.get().seen_at
    client.get("/account/")

    assert seen > long_ago and UserSession.objects.get().seen_at == seen


def _cached() -> list[str]:
    client = cache._cache.get_client(None)  # type: ignore[attr-defined]  # Django's cache cannot list its keys
    return [key.decode() for key in client.keys("*")]
