"""Keys as their owner makes, changes, replaces and ends them; each is shown once."""

import datetime
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from billing import keys
from billing.grants import read
from billing.models import ApiKey, Customer
from compliance.models import AuditEntry
from tests.accounts.clients import signed_in
from tests.billing.ledgers import seed
from tests.billing.rows import customer_on, key_of, today

pytestmark = pytest.mark.django_db
MAKE = "/account/api/keys/make/"


@pytest.fixture(autouse=True)
def plans(db: None) -> None:
    seed()


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def form(**changes: Any) -> dict[str, Any]:
    return {"name": "laptop", "scopes": ["chat"], **changes}


def shown(response: Any) -> str:
    """Return the key that a page shows."""
    found = keys.IN_A_TEXT.findall(response.content.decode())
    assert len(found) == 1
    return str(found[0])


def test_a_key_is_made_with_all_its_limits_and_shown_this_once(browser: Client) -> None:
    tomorrow = today() + datetime.timedelta(days=1)
    made = browser.post(
        MAKE,
        form(
            scopes=["chat", "usage"],
            allowed_models=["wagmi-small"],
            last_day=str(tomorrow),
            address_ranges="203.0.113.7\r\n2001:db8::/48, 198.51.100.9/24",
            day_limit_microusd="0.25",
            month_limit_microusd="1",
            day_gpu_s="0",
            month_gpu_s="60",
            requests_per_minute="10",
            tokens_per_minute="1000",
            parallel_calls="1",
        ),
    )

    text = shown(made)
    key = ApiKey.objects.get()
    assert made.status_code == 200 and "no-store" in made["Cache-Control"]
    assert key.scopes == ["chat", "usage"] and key.allowed_models == ["wagmi-small"]
    assert key.address_ranges == ["203.0.113.7/32", "2001:db8::/48", "198.51.100.0/24"]
    assert (key.day_limit_microusd, key.month_limit_microusd) == (250_000, 1_000_000)
    assert (key.day_gpu_s, key.month_gpu_s) == (0, 60)
    assert (key.requests_per_minute, key.tokens_per_minute, key.parallel_calls) == (10, 1000, 1)
    assert key.expires_at == datetime.datetime.combine(
        tomorrow + datetime.timedelta(days=1), datetime.time(), datetime.UTC
    )
    grant = read(text)
    assert grant is not None and grant.key == key.public_id
    for kept in (browser.get("/account/api/keys/").content.decode(), str(dict(browser.session))):
        assert text not in kept and text[keys.SHOWN_CHARS :] not in kept
    assert text[keys.SHOWN_CHARS :] not in str(list(AuditEntry.objects.values()))


def test_loading_the_page_again_makes_no_second_key(browser: Client) -> None:
    once = re.search(r'name="once" value="(\w+)"', browser.get(MAKE).content.decode())
    assert once
    browser.post(MAKE, form(once=once[1]))

    again = browser.post(MAKE, form(once=once[1]))

    assert again["Location"] == "/account/api/keys/"
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "Give the key a name."),
        ({"name": keys.new_text()}, "This is a key."),
        ({"scopes": []}, "Choose at least one use."),
        ({"scopes": ["root"]}, "root"),
        ({"allowed_models": ["gpt-4"]}, "gpt-4"),
        ({"last_day": "2020-01-01"}, "This day is over."),
        ({"last_day": "soon"}, "Enter a day such as"),
        ({"last_day": "9999-12-31"}, "At most 10 years from now"),
        ({"address_ranges": "10.0.0.0/8\nmy house"}, "“my” is no address"),
        ({"address_ranges": "10.0.0.0/99"}, "“10.0.0.0/99” is no address"),
        ({"address_ranges": "\n".join(f"10.0.0.{n}" for n in range(21))}, "At most 20 ranges"),
        ({"day_limit_microusd": "1.01"}, "At most 1.00 USD, the limit of your account."),
        ({"day_limit_microusd": "-1"}, "more than nothing"),
        ({"day_limit_microusd": "lots"}, "Enter an amount in dollars"),
        ({"month_gpu_s": "1801"}, "At most 1,800"),
        ({"month_gpu_s": "1.5"}, "Enter a whole number."),
        ({"requests_per_minute": "0"}, "greater than or equal to 1"),
        ({"requests_per_minute": "21"}, "At most 20"),
        ({"parallel_calls": "3"}, "At most 2"),
    ],
)
def test_what_cannot_be_is_refused_in_words_beside_its_field(browser: Client, typed: dict[str, Any], said: str) -> None:
    response = browser.post(MAKE, form(**typed))

    assert response.status_code == 422
    page = response.content.decode().replace("\N{NO-BREAK SPACE}", " ")
    assert said in page and 'class="field-problem"' in page
    assert not ApiKey.objects.exists() and not Customer.objects.exists()


def test_a_hundred_keys_are_enough(browser: Client, alice: User) -> None:
    customer = customer_on(alice)
    ApiKey.objects.bulk_create(
        ApiKey(customer=customer, name="x", prefix="wag_x", digest=f"{number:064}", pepper_id="1")
        for number in range(keys.MAX_KEYS)
    )

    response = browser.post(MAKE, form())

    assert response.status_code == 422
    assert "as many keys as an account may have" in response.content.decode()


def test_a_change_holds_and_is_written_down_without_its_words(browser: Client, alice: User) -> None:
    ends = timezone.now() + datetime.timedelta(hours=30)
    key = key_of(customer_on(alice), "old name", expires_at=ends, day_limit_microusd=5_000_000)
    address = reverse("billing:key-edit", args=[key.public_id])
    page = browser.get(address).content.decode()

    browser.post(
        address,
        form(name="new name", day_limit_microusd="3", last_day=str((ends - datetime.timedelta(microseconds=1)).date())),
    )

    assert 'value="old name"' in page and 'value="5' in page
    key.refresh_from_db()
    assert (key.name, key.day_limit_microusd, key.scopes) == ("new name", 3_000_000, ["chat"])
    assert key.expires_at == ends
    entry = AuditEntry.objects.latest("pk")
    assert entry.action == "billing.key-changed"
    assert entry.changes["after"] == {"name": "changed", "scopes": 1, "day_limit_microusd": 3_000_000}
    assert "new name" not in str(entry.changes)


@pytest.mark.parametrize(("grace", "hours"), [("none", 0), ("1h", 1), ("24h", 24), ("7d", 168)])
def test_a_key_and_its_successor_both_work_until_the_grace_is_over(
    browser: Client, alice: User, grace: str, hours: int
) -> None:
    old, old_text = keys.make(customer_on(alice), "laptop", actor="operator", parallel_calls=2)
    address = reverse("billing:key-rotate", args=[old.public_id])
    assert browser.get(address).status_code == 200
    assert browser.post(address, {"grace": "forever"}).status_code == 422

    response = browser.post(address, {"grace": grace})

    text = shown(response)
    new = ApiKey.objects.exclude(pk=old.pk).get()
    old.refresh_from_db()
    assert old.successor == new and new.parallel_calls == 2 and read(text) is not None
    assert (read(old_text) is None) == (hours == 0)
    assert old.expires_at is not None
    left = old.expires_at - timezone.now()
    assert datetime.timedelta(hours=hours) - left < datetime.timedelta(minutes=1)
    again = browser.post(address, {"grace": grace})
    assert again["Location"] == "/account/api/keys/" and ApiKey.objects.count() == 2


def test_a_revoked_key_asks_once_more_and_needs_no_fresh_proof(alice: User) -> None:
    key, text = keys.make(customer_on(alice), "lost", actor="operator")
    browser = signed_in(alice, age_s=31 * 60)
    address = reverse("billing:key-revoke", args=[key.public_id])

    asked = browser.get(address).content.decode()
    still = read(text)
    done = browser.post(address)

    assert "“lost”" in asked and still is not None
    assert done["Location"] == "/account/api/keys/"
    assert read(text) is None
    assert "revoked" in browser.get("/account/api/keys/").content.decode()


def test_a_key_that_has_ended_is_not_changed_any_more(browser: Client, alice: User) -> None:
    customer = customer_on(alice)
    ended = [
        key_of(customer, "expired", expires_at=timezone.now() - datetime.timedelta(hours=1)),
        key_of(customer, "revoked", revoked_at=timezone.now()),
        key_of(customer, "replaced"),
    ]
    keys.rotate(ended[2], actor="operator")

    for key in ended:
        for name in ("billing:key-edit", "billing:key-rotate"):
            response = browser.post(reverse(name, args=[key.public_id]), form(name="x", grace="7d"))
            assert response["Location"] == "/account/api/keys/"
        key.refresh_from_db()
        assert key.name != "x"


def test_the_list_costs_as_many_queries_for_thirty_keys_as_for_one(
    browser: Client, alice: User, django_assert_max_num_queries: Any
) -> None:
    customer = customer_on(alice)
    for number in range(30):
        key_of(customer, f"key {number}", revoked_at=timezone.now() if number % 2 else None)

    for name in ("keys", "limits", "overview"):
        with django_assert_max_num_queries(13):
            browser.get(reverse(f"billing:{name}"))
