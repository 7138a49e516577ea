"""Who may open what: every address of people's pages, asked by nobody, another person, the owner and staff.

An address without a row in the table fails: whoever adds one says who may see it. Whatever the answer, nothing of the
owner's changes by what anybody else asks.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts import export, staff
from accounts.models import DataExport, User, UserSession
from billing.models import ApiKey, Customer
from chat.models import Conversation, Flag
from tests.accounts.clients import signed_in
from tests.billing.rows import customer_on, key_of
from tests.chat.handed_in import flagged
from tests.chat.stored import consenting, stored

pytestmark = pytest.mark.django_db

# What comes back: the page or act itself, a door that is shut, the way to sign in.
OPEN, SHUT, SIGN_IN = "open", "shut", "sign in"

ANYBODY = (OPEN, OPEN, OPEN, OPEN)
# Everybody who is signed in sees and changes their own.
EACH_THEIR_OWN = (SIGN_IN, OPEN, OPEN, OPEN)
# One object of one person; staff is somebody else too.
OWNER_ONLY = (SIGN_IN, SHUT, OPEN, SHUT)
# Leads back to one's own list without touching what is somebody else's.
OWNER_OR_LIST = (SIGN_IN, OPEN, OPEN, OPEN)
LEADS_TO_SIGN_IN = (SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN)


@dataclass(frozen=True)
class Row:
    """How an address is asked, and what nobody, another person, the owner and staff get."""

    method: str
    gets: tuple[str, str, str, str]


TABLE = {
    "account:overview": Row("get", EACH_THEIR_OWN),
    "account:profile": Row("get", EACH_THEIR_OWN),
    "account:language-change": Row("post", EACH_THEIR_OWN),
    "account:sessions": Row("get", EACH_THEIR_OWN),
    "account:sessions-end-others": Row("post", EACH_THEIR_OWN),
    "account:session-end": Row("post", OWNER_ONLY),
    "account:consents": Row("get", EACH_THEIR_OWN),
    "account:export": Row("get", EACH_THEIR_OWN),
    "account:export-request": Row("post", EACH_THEIR_OWN),
    "account:export-file": Row("get", OWNER_ONLY),
    "account:export-fetch": Row("post", OWNER_ONLY),
    "account:erase": Row("get", EACH_THEIR_OWN),
    "account:erased": Row("get", ANYBODY),
    "accounts:enter": Row("get", ANYBODY),
    "accounts:code": Row("get", LEADS_TO_SIGN_IN),
    "accounts:code-send": Row("post", LEADS_TO_SIGN_IN),
    "accounts:factor": Row("get", EACH_THEIR_OWN),
    "accounts:passkey-options": Row("post", ANYBODY),
    "accounts:passkey-enter": Row("post", ANYBODY),
    "accounts:leave": Row("post", LEADS_TO_SIGN_IN),
    "accounts:staff-enter": Row("get", ANYBODY),
    "accounts:proof": Row("get", EACH_THEIR_OWN),
    "accounts:proof-send": Row("post", EACH_THEIR_OWN),
    "accounts:proof-code": Row("post", EACH_THEIR_OWN),
    "accounts:proof-factor": Row("post", EACH_THEIR_OWN),
    "accounts:factors": Row("get", EACH_THEIR_OWN),
    "accounts:passkey-add": Row("get", EACH_THEIR_OWN),
    "accounts:passkey-rename": Row("post", OWNER_OR_LIST),
    "accounts:app-add": Row("get", EACH_THEIR_OWN),
    "accounts:app-picture": Row("get", EACH_THEIR_OWN),
    "accounts:recovery-codes": Row("get", EACH_THEIR_OWN),
    "accounts:recovery-codes-renew": Row("post", EACH_THEIR_OWN),
    "accounts:factor-remove": Row("post", OWNER_OR_LIST),
    "billing:overview": Row("get", EACH_THEIR_OWN),
    "billing:keys": Row("get", EACH_THEIR_OWN),
    "billing:key-make": Row("get", EACH_THEIR_OWN),
    "billing:key-edit": Row("post", OWNER_ONLY),
    "billing:key-rotate": Row("post", OWNER_ONLY),
    "billing:key-revoke": Row("post", OWNER_ONLY),
    "billing:usage": Row("get", EACH_THEIR_OWN),
    "billing:usage-csv": Row("get", EACH_THEIR_OWN),
    "billing:usage-json": Row("get", EACH_THEIR_OWN),
    "billing:limits": Row("get", EACH_THEIR_OWN),
    "billing:cap-change": Row("post", EACH_THEIR_OWN),
    "billing:plan": Row("get", EACH_THEIR_OWN),
    "billing:checkout": Row("post", EACH_THEIR_OWN),
    "billing:portal": Row("post", EACH_THEIR_OWN),
    "billing:plan-change": Row("post", EACH_THEIR_OWN),
    "billing:plan-cancel": Row("post", EACH_THEIR_OWN),
    "billing:plan-resume": Row("post", EACH_THEIR_OWN),
    "billing:payment-return": Row("get", EACH_THEIR_OWN),
    "chat:conversations": Row("get", EACH_THEIR_OWN),
    "chat:conversations-delete": Row("post", EACH_THEIR_OWN),
    "chat:conversation": Row("get", OWNER_ONLY),
    "chat:conversation-rename": Row("post", OWNER_ONLY),
    "chat:conversation-delete": Row("post", OWNER_ONLY),
    "chat:consent-give": Row("post", EACH_THEIR_OWN),
    "chat:consent-withdraw": Row("post", EACH_THEIR_OWN),
    "chat:own-flags": Row("get", EACH_THEIR_OWN),
    "chat:own-flag-delete": Row("post", OWNER_ONLY),
    "chat:training-give": Row("post", EACH_THEIR_OWN),
    "chat:training-withdraw": Row("post", EACH_THEIR_OWN),
    "chat:api-conversations": Row("get", EACH_THEIR_OWN),
    "chat:api-conversation": Row("get", OWNER_ONLY),
}


@pytest.fixture
def alice(settings: Any, tmp_path: Path) -> User:
    """The owner: a session to end, an export that waits, a conversation, an API key and an app for codes."""
    settings.EXPORT_DIR = tmp_path / "exports"
    person = consenting("alice@example.org")
    stored(person)
    flagged(person)
    export.make(export.request(person).pk)
    signed_in(person)
    key_of(customer_on(person))
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return person


@pytest.fixture
def browsers(alice: User) -> dict[str, Client]:
    """The four who ask. Whoever is signed in has proven who they are a moment ago, staff by a second factor."""
    bob = User.objects.create_user("bob@example.org")
    dana = User.objects.create_user("dana@example.org", is_staff=True, is_superuser=True)
    return {
        "nobody": Client(),
        "another": signed_in(bob),
        "staff": signed_in(dana, method="mfa"),
        "owner": signed_in(alice),
    }


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    assert names_under("account/", "accounts/") == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_it_opens_for_whom_the_table_says(name: str, alice: User, browsers: dict[str, Client]) -> None:
    row, address = TABLE[name], reverse(name, kwargs=alices(name, alice))
    before = holdings_of(alice)
    expected = dict(zip(("nobody", "another", "owner", "staff"), row.gets, strict=True))

    got = {}
    for who in ("nobody", "another", "staff"):
        got[who] = kind_of(getattr(browsers[who], row.method)(address, alices_form(name)))
        assert holdings_of(alice) == before, who
    got["owner"] = kind_of(getattr(browsers["owner"], row.method)(address, alices_form(name)))

    assert got == expected


def test_staff_without_a_second_factor_open_nothing_of_a_persons_pages(alice: User) -> None:
    dana = User.objects.create_user("dana@example.org", is_staff=True)

    response = signed_in(dana).get("/account/")

    assert (response.status_code, response["Location"]) == (302, reverse("accounts:factors"))


def names_under(*prefixes: str) -> set[str]:
    """Return the names of all addresses that begin so."""
    found: set[str] = set()

    def walk(resolver: URLResolver, prefix: str, namespace: str) -> None:
        for each in resolver.url_patterns:
            path = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                walk(each, path, each.namespace or namespace)
            elif isinstance(each, URLPattern) and path.startswith(prefixes):
                found.add(f"{namespace}:{each.name}")

    walk(get_resolver(), "", "")
    return found


def alices(name: str, alice: User) -> dict[str, Any]:
    """Return what the address of ``name`` needs to be about something of Alice's."""
    made = DataExport.objects.get(user=alice)
    factor = Authenticator.objects.get(user=alice)
    conversation = Conversation.objects.get(user=alice)
    token = export.link_token(made)
    if name.startswith("chat:") and "conversation" in name and "conversations" not in name:
        return {"public_id": conversation.public_id}
    if name in ("billing:key-edit", "billing:key-rotate", "billing:key-revoke"):
        return {"public_id": ApiKey.objects.get(customer__user=alice).public_id}
    return {
        "account:session-end": {"public_id": UserSession.objects.filter(user=alice).order_by("pk")[0].public_id},
        "chat:own-flag-delete": {"public_id": Flag.objects.get(user=alice).public_id},
        "account:export-file": {"token": token},
        "account:export-fetch": {"token": token},
        "accounts:staff-enter": {"token": staff.link_token(alice)},
        "accounts:passkey-rename": {"pk": factor.pk},
        "accounts:factor-remove": {"pk": factor.pk},
    }.get(name, {})


def alices_form(name: str) -> dict[str, str]:
    if name == "account:language-change":
        return {"language": "fr"}
    return {"title": "A name", "name": "A name", "plan": "build", "cap": "1", "grace": "none", "scopes": "chat"}


def kind_of(response: HttpResponse) -> str:
    """Return what an answer amounts to. A form that asks for more, and a limit, have let the asker in."""
    if response.status_code == 401 or response.headers.get("Location", "").startswith("/accounts/enter/"):
        return SIGN_IN
    return SHUT if response.status_code in (403, 404, 410) else OPEN


def holdings_of(person: User) -> list[object]:
    """Return what would show that somebody has touched a person's things."""
    person.refresh_from_db()
    return [
        person.language,
        person.is_active,
        list(person.sessions.order_by("pk").values_list("session_key", flat=True)),
        list(person.exports.values_list("public_id", "state")),
        list(Conversation.everything.filter(user=person).values_list("public_id", "title", "expires_at")),
        list(Flag.objects.filter(user=person).values_list("public_id", "state", "text", "training_subject")),
        list(Authenticator.objects.filter(user=person).values_list("pk", "data")),
        list(ApiKey.objects.filter(customer__user=person).values_list("pk", "name", "expires_at", "revoked_at")),
        list(Customer.objects.filter(user=person).values_list("plan", "month_limit_microusd")),
    ]
