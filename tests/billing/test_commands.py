"""The operator's verbs: a key printed once, a key ended, the ledger checked."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from billing.grants import read
from billing.models import Customer, Quota, Reconciliation
from compliance.models import AuditEntry
from tests.billing.ledgers import call, carol, key_of, reserve, seed

pytestmark = pytest.mark.django_db


def said(*arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, **options)
    return out.getvalue()


def test_a_key_stands_alone_on_the_last_line_and_works() -> None:
    seed()

    printed = said("issue_key", "--email", "carol@example.org", "--name", "build server", "--plan", "scale")

    text = printed.strip().splitlines()[-1]
    grant = read(text)
    assert grant is not None
    assert grant.plan == "scale"
    assert AuditEntry.objects.get(action="billing.plan-set").actor == "operator"
    again = said("issue_key", "--email", "Carol@example.org", "--name", "second")
    assert read(again.strip().splitlines()[-1]) is not None
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--plan", "gold"], "No plan is called gold. There are: free, build, scale."),
        (["--email", "no"], "not an e-mail address"),
    ],
)
def test_a_wish_that_cannot_be_is_said_and_nothing_is_made(options: list[str], words: str) -> None:
    seed()

    with pytest.raises(CommandError, match=words):
        said("issue_key", "--email", "carol@example.org", "--name", "x", *options)

    assert not AuditEntry.objects.filter(action="billing.key-made").exists()


@pytest.mark.parametrize("named", ["by itself", "by its id", "by its beginning"])
def test_a_key_is_ended_however_it_is_named_and_never_printed(named: str) -> None:
    key, text = key_of(carol())
    _other, others = key_of(key.customer)
    name = {"by itself": text, "by its id": str(key.public_id), "by its beginning": key.prefix}[named]

    printed = said("revoke_key", name, "--reason", "leaked")

    assert printed.startswith(f"Revoked {key.public_id}")
    assert text not in printed
    assert read(text) is None
    assert read(others) is not None
    assert "was revoked before" in said("revoke_key", name)


@pytest.mark.parametrize("name", ["wag_", "", "6a1c5c64-7b0d-4a3f-9d3e-0a5b6c7d8e9f"])
def test_no_key_is_ended_by_a_name_that_is_nobodys(name: str) -> None:
    _key, text = key_of(carol())

    with pytest.raises(CommandError, match="No key is called that"):
        said("revoke_key", name)

    assert read(text) is not None


def test_a_ledger_that_differs_ends_with_status_one_and_says_where() -> None:
    customer = carol()
    reserve(call(key_of(customer)[0]))
    assert said("check_ledger").strip() == "4 quotas compared, 0 differ."
    Quota.objects.filter(key=0, window="month").update(spent_microusd=1)

    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("check_ledger", "--all", stdout=out)

    assert ended.value.code == 1
    first, last = out.getvalue().strip().splitlines()
    assert first.startswith(f"{customer.public_id} key 0 month ")
    assert last == "4 quotas compared, 1 differ."
    assert Reconciliation.objects.count() == 2
