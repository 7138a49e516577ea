"""The form of a key, and how it is found again: by a digest under a pepper that can be replaced."""

import datetime
import string
from typing import Any

import pytest
from django.utils import timezone

from billing import keys
from billing.errors import NotAllowed
from billing.grants import read
from billing.models import ApiKey
from compliance.models import AuditEntry
from tests.billing.ledgers import carol, key_of


def test_a_key_has_a_readable_prefix_forty_random_characters_and_a_checksum() -> None:
    text = keys.new_text()

    assert keys.is_key(text)
    assert text.startswith("wag_")
    assert len(text) == 4 + 40 + 6
    assert set(text[4:]) <= set(string.ascii_letters + string.digits)
    assert keys.new_text() != text


def test_a_typing_error_shows_without_asking_anybody() -> None:
    text = keys.new_text()
    swapped = text[:20] + ("a" if text[20] != "a" else "b") + text[21:]

    assert not keys.is_key(swapped)
    assert not keys.is_key(text[:-1])
    assert not keys.is_key(f"{text}\n")
    assert not keys.is_key(text.upper())


@pytest.mark.parametrize("around", ["{}", "My key is {}, why?", "Authorization: Bearer {}", "({})", "«{}»", "{}\n"])
def test_a_key_in_a_text_is_recognised(around: str) -> None:
    assert keys.holds_key(around.format(keys.new_text()))


@pytest.mark.parametrize("text", ["", "wag_", "wag_ the tail", "wag_" + "a" * 46, "x" * 50])
def test_a_text_without_a_key_is_not_taken_for_one(text: str) -> None:
    assert not keys.holds_key(text)


@pytest.mark.django_db
def test_the_key_itself_is_kept_nowhere() -> None:
    key, text = key_of(carol())

    kept = " ".join(str(value) for value in ApiKey.objects.filter(pk=key.pk).values_list()[0])
    assert text not in kept
    assert text[keys.SHOWN_CHARS :] not in kept
    assert key.prefix == text[:10]
    assert text[:12] not in str(list(AuditEntry.objects.values_list("changes", "object_id")))


@pytest.mark.django_db
def test_a_new_pepper_takes_a_key_over_when_it_is_used(settings: Any) -> None:
    settings.API_KEY_PEPPERS = {"1": b"the old pepper"}
    key, text = key_of(carol())

    settings.API_KEY_PEPPERS = {"2": b"the new pepper", "1": b"the old pepper"}
    assert read(text) is not None

    key.refresh_from_db()
    assert key.pepper_id == "2"
    settings.API_KEY_PEPPERS = {"2": b"the new pepper"}
    assert read(text) is not None


@pytest.mark.django_db
def test_a_key_under_a_pepper_that_is_gone_is_nobodys(settings: Any) -> None:
    settings.API_KEY_PEPPERS = {"1": b"the old pepper"}
    _key, text = key_of(carol())

    settings.API_KEY_PEPPERS = {"2": b"the new pepper"}

    assert read(text) is None


@pytest.mark.django_db
def test_a_rotated_key_works_beside_its_successor_until_the_grace_is_over() -> None:
    key, text = key_of(carol(), scopes=["chat"], month_limit_microusd=7)

    new, new_text = keys.rotate(key, actor="operator", grace=datetime.timedelta(hours=1))

    old = ApiKey.objects.get(pk=key.pk)
    assert old.successor == new
    assert old.expires_at is not None
    assert 3500 < (old.expires_at - timezone.now()).total_seconds() < 3700
    assert (new.name, new.scopes, new.month_limit_microusd, new.expires_at) == ("test", ["chat"], 7, None)
    assert read(text) is not None
    assert read(new_text) is not None
    with pytest.raises(NotAllowed, match="not_rotatable"):
        keys.rotate(old, actor="operator")


@pytest.mark.django_db
def test_a_grace_never_lengthens_the_life_of_a_key() -> None:
    soon = timezone.now() + datetime.timedelta(minutes=5)
    key, _text = key_of(carol(), expires_at=soon)

    keys.rotate(key, actor="operator", grace=datetime.timedelta(days=900))

    key.refresh_from_db()
    assert key.expires_at == soon


@pytest.mark.django_db
def test_a_revoked_key_is_nobodys_and_the_log_says_who_and_why() -> None:
    key, text = key_of(carol())

    assert keys.revoke(key, actor="operator", reason="leaked")
    assert not keys.revoke(key, actor="operator")

    assert read(text) is None
    entry = AuditEntry.objects.get(action="billing.key-revoked")
    assert (entry.object_id, entry.changes) == (str(key.public_id), {"facts": {"reason": "leaked"}})
    with pytest.raises(NotAllowed):
        keys.rotate(key, actor="operator")


@pytest.mark.django_db
def test_a_customer_has_a_hundred_working_keys_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_KEYS", 2)
    customer = carol()
    first, _text = key_of(customer)
    key_of(customer)

    with pytest.raises(NotAllowed, match="too_many_keys"):
        key_of(customer)
    keys.revoke(first, actor="operator")
    key_of(customer)
