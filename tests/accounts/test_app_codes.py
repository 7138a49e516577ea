"""Codes of an authenticator app: each works once, also half a minute later and with an empty cache."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache
from django.db import connection

from accounts import factors
from accounts.errors import FactorRefused
from accounts.models import User
from tests.accounts.clients import signed_in
from tests.signed_in import app_code, secret_on

ADD_APP = "/accounts/factors/app/"


def app_of(user: User) -> str:
    """Add an app and return its secret."""
    client = signed_in(user)
    secret = secret_on(client.get(ADD_APP).content.decode())
    client.post(ADD_APP, {"code": app_code(secret)})
    return secret


@pytest.mark.django_db
def test_a_code_works_once_whatever_the_cache_remembers(alice: User) -> None:
    code = app_code(app_of(alice), period=1)
    factors.prove_code(alice, code)
    cache.clear()

    with pytest.raises(FactorRefused):
        factors.prove_code(alice, code)


@pytest.mark.django_db
def test_an_older_code_is_over_once_a_newer_one_was_used(alice: User) -> None:
    secret = app_of(alice)
    older, newer = app_code(secret), app_code(secret, period=1)
    factors.prove_code(alice, newer)

    with pytest.raises(FactorRefused):
        factors.prove_code(alice, older)


@pytest.mark.django_db
def test_the_code_that_added_the_app_is_used(alice: User) -> None:
    client = signed_in(alice)
    secret = secret_on(client.get(ADD_APP).content.decode())
    code = app_code(secret)
    client.post(ADD_APP, {"code": code})

    with pytest.raises(FactorRefused):
        factors.prove_code(alice, code)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_of_eight_times_the_same_code_at_once_one_is_taken(kind: str) -> None:
    alice = User.objects.create_user("alice@example.org")
    secret = app_of(alice)
    code = app_code(secret, period=1) if kind == "app" else factors.recovery_codes(alice)[0]

    def prove(_number: int) -> bool:
        try:
            factors.prove_code(alice, code)
        except FactorRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(prove, range(8))) == 1
