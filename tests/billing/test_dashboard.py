"""The dashboard: whose it is, what it says of plan and limits, and what nobody else gets to see or do."""

import datetime
import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from billing.limits import of_account, rates
from billing.models import ApiKey, Customer, Invoice, Plan, Quota, Subscription, UsageRecord
from compliance.models import AuditEntry
from tests.accounts.clients import signed_in
from tests.billing.ledgers import seed
from tests.billing.rows import call, customer_on, key_of, quota, today, weeks_of_calls

pytestmark = pytest.mark.django_db
PAGES = ("overview", "keys", "key-make", "usage", "limits", "cap-change", "plan")
OF_A_KEY = ("key-edit", "key-rotate", "key-revoke")
OLD_S = 31 * 60


@pytest.fixture(autouse=True)
def plans(db: None) -> None:
    seed()


@pytest.fixture
def customer(alice: User) -> Customer:
    return customer_on(alice)


@pytest.fixture
def key(customer: Customer) -> ApiKey:
    return key_of(customer, "Alices laptop")


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def read(browser: Client, name: str, **found: Any) -> str:
    response = browser.get(reverse(f"billing:{name}", kwargs=found))
    assert response.status_code == 200
    return " ".join(response.content.decode().replace("\N{NO-BREAK SPACE}", " ").split())


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_to_a_newcomer_and_makes_them_no_customer(browser: Client, name: str) -> None:
    response = browser.get(reverse(f"billing:{name}"))

    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    assert b"style=" not in response.content and b"<script" not in response.content
    assert not Customer.objects.exists()


def test_nobody_but_its_owner_sees_or_touches_a_key_or_what_it_used(alice: User, key: ApiKey) -> None:
    weeks_of_calls(key, days=3)
    Invoice.objects.create(
        customer=key.customer, stripe_id="in_1", number="WAGMI-0001", status="paid", currency="usd", total_cents=900
    )
    bob = User.objects.create_user("bob@example.org")
    dana = User.objects.create_user("dana@example.org", is_staff=True, is_superuser=True)
    others = {"bob": signed_in(bob), "dana": signed_in(dana, method="mfa")}
    files = ("usage-csv", "usage-json")

    for name in (*PAGES, *files, *OF_A_KEY):
        address = reverse(f"billing:{name}", kwargs={"public_id": key.public_id} if name in OF_A_KEY else {})
        assert "/accounts/enter/" in Client().get(address).headers["Location"], name
        assert "/accounts/enter/" in Client().post(address).headers.get("Location", "/accounts/enter/"), name
        for who, theirs in others.items():
            got = theirs.get(address)
            assert got.status_code == (404 if name in OF_A_KEY else 200), (who, name)
            for word in ("Alices laptop", key.prefix, "WAGMI-0001"):
                assert word not in got.content.decode(), (who, name)
            if name in OF_A_KEY:
                assert theirs.post(address, {"name": "taken", "grace": "none"}).status_code == 404
            elif name in files:
                asked = theirs.get(address, {"key": str(key.public_id)})
                assert asked.status_code == 422, (who, name)

    key.refresh_from_db()
    assert (key.name, key.revoked_at, key.successor_id) == ("Alices laptop", None, None)
    assert "Alices laptop" in signed_in(alice).get(reverse("billing:keys")).content.decode()


def test_staff_without_a_second_factor_are_sent_to_get_one(key: ApiKey) -> None:
    dana = User.objects.create_user("dana@example.org", is_staff=True)

    response = signed_in(dana).get(reverse("billing:overview"))

    assert not Authenticator.objects.filter(user=dana).exists()
    assert response["Location"] == reverse("accounts:factors")


def test_the_overview_says_what_is_left_of_the_month_and_what_today_took(
    customer: Customer, key: ApiKey, browser: Client
) -> None:
    quota(customer, spent_microusd=12_500_000, reserved_microusd=500_000, spent_gpu_ms=90_000)
    UsageRecord.objects.bulk_create([call(key, today()), call(key, today(), outcome="failed", completion_tokens=0)])

    page = read(browser, "overview")

    assert "Plan Build" in page
    assert "37.00 USD of 50.00 USD left" in page
    assert 'value="25"' in page
    assert "0.50 USD held for calls that are running." in page
    assert "17,910 s of 18,000 s left" in page
    assert "<dt>calls</dt><dd>2</dd>" in page and "<dt>errors</dt><dd>1</dd>" in page


def test_limits_begin_anew_at_midnight_utc_and_on_the_first(customer: Customer) -> None:
    now = datetime.datetime(2026, 12, 31, 23, 30, tzinfo=datetime.UTC)

    found = {(each.window, each.unit): each.resets_at for each in of_account(customer, now)}

    assert set(found.values()) == {datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)}


def test_the_limits_page_lists_those_of_single_keys_with_what_is_left(customer: Customer, browser: Client) -> None:
    limited = key_of(customer, "script", day_limit_microusd=2_000_000, month_gpu_s=60, requests_per_minute=5)
    quota(customer, key=limited.pk, window="day", spent_microusd=750_000)
    call(limited, today(), started_at=timezone.now()).save()

    page = read(browser, "limits")

    assert "2.00 USD a day</td> <td" in page and "1.25 USD" in page
    assert "60 s of GPU a month" in page
    assert "1 of 5" in page


def test_the_last_minute_is_counted_for_the_account_and_for_keys_with_limits(customer: Customer) -> None:
    now = timezone.now()
    limited, other = key_of(customer, tokens_per_minute=1000), key_of(customer)
    old = now - datetime.timedelta(seconds=61)
    UsageRecord.objects.bulk_create(
        [
            call(limited, today(), started_at=now),
            call(other, today(), started_at=now, state="reserved", outcome="", prompt_tokens=0, completion_tokens=0),
            call(other, today(), started_at=old),
        ]
    )

    account, of_key = rates(customer, [limited, other], now)

    assert (account.requests_used, account.tokens_used, account.running) == (2, 250, 1)
    assert (of_key.key, of_key.tokens, of_key.requests_used, of_key.running) == (limited, 1000, 1, 0)


def test_a_cap_of_ones_own_is_below_the_plans_and_written_down(customer: Customer, browser: Client) -> None:
    quota(customer, spent_microusd=30_000_000, alerted_percent=50)
    address = reverse("billing:cap-change")

    too_high = browser.post(address, {"cap": "50.01"})
    nothing = browser.post(address, {"cap": "0"})
    words = browser.post(address, {"cap": "a lot"})
    done = browser.post(address, {"cap": "20.5"})

    assert [too_high.status_code, nothing.status_code, words.status_code] == [422, 422, 422]
    assert "50.00\N{NO-BREAK SPACE}USD, the limit of your plan" in too_high.content.decode()
    assert done["Location"] == reverse("billing:limits")
    customer.refresh_from_db()
    assert customer.month_limit_microusd == 20_500_000
    assert Quota.objects.get().alerted_percent == 0
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.changes["after"]) == ("billing.cap-set", {"month_limit_microusd": 20_500_000})
    assert "0.00 USD of 20.50 USD left" in read(browser, "limits")
    browser.post(address, {"cap": ""})
    customer.refresh_from_db()
    assert customer.month_limit_microusd is None


@pytest.mark.parametrize("name", ["cap-change", "key-make", "key-edit", "key-rotate"])
def test_who_has_not_proven_lately_who_they_are_changes_no_money(
    alice: User, customer: Customer, key: ApiKey, name: str
) -> None:
    browser = signed_in(alice, age_s=OLD_S)
    address = reverse(f"billing:{name}", kwargs={"public_id": key.public_id} if name in OF_A_KEY else {})

    for response in (browser.get(address), browser.post(address, {"cap": "1", "name": "x", "grace": "none"})):
        assert response["Location"].startswith(reverse("accounts:proof"))
    customer.refresh_from_db()
    key.refresh_from_db()
    assert customer.month_limit_microusd is None and key.successor_id is None and customer.keys.count() == 1


def test_french_readers_write_a_comma(alice: User, browser: Client) -> None:
    customer_on(alice)
    User.objects.update(language="fr")

    browser.post(reverse("billing:cap-change"), {"cap": "2,75"})

    assert Customer.objects.get().month_limit_microusd == 2_750_000
    assert 'value="2,75' in read(browser, "cap-change")


def test_without_a_payment_provider_the_plans_are_shown_and_cannot_be_bought(browser: Client) -> None:
    page = read(browser, "plan")

    assert "Payments are off on this site" in page
    for plan in Plan.objects.offered():
        assert plan.name in page
    assert "Buy" not in page


def test_who_is_suspended_or_owes_reads_it_on_every_page(customer: Customer, browser: Client) -> None:
    Subscription.objects.create(customer=customer, stripe_id="sub_1", plan=customer.plan, status="past_due")

    owing = [read(browser, name) for name in PAGES]
    Customer.objects.update(suspended_at=timezone.now(), suspended_reason="unpaid")
    suspended = [read(browser, name) for name in PAGES]

    assert all("A payment did not go through." in page for page in owing)
    assert all("Your keys are refused at the moment." in page for page in suspended)


def test_invoices_lead_to_the_provider(customer: Customer, browser: Client) -> None:
    Invoice.objects.create(
        customer=customer,
        stripe_id="in_1",
        number="WAGMI-0001",
        status="paid",
        currency="chf",
        total_cents=123_456,
        tax_cents=9_250,
        page_url="https://invoice.stripe.com/i/1",
        pdf_url="https://invoice.stripe.com/i/1.pdf",
        issued_at=timezone.now(),
    )

    page = read(browser, "plan")

    assert "1,234.56 CHF" in page and "92.50" in page
    assert 'href="https://invoice.stripe.com/i/1"' in page


def test_the_account_leads_to_the_api(browser: Client) -> None:
    assert f'href="{reverse("billing:overview")}"' in browser.get("/account/").content.decode()


def offered(page: str) -> dict[str, str]:
    """Return what can be done with each plan: where its button leads."""
    cards = page.split('<h3 id="plan-')[1:]
    acts = {card.partition('"')[0]: re.search(r'action="/account/api/billing/(\w+)/"', card) for card in cards}
    return {plan: act[1] for plan, act in acts.items() if act}


def test_the_buttons_are_those_that_the_subscription_allows(customer: Customer, browser: Client, settings: Any) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_of_nobody"
    Customer.objects.update(plan=Plan.objects.get(slug="free"))
    newcomer = offered(read(browser, "plan"))
    bought = Subscription.objects.create(
        customer=customer, stripe_id="sub_1", plan=customer.plan, status="active", period_end=timezone.now()
    )
    Customer.objects.update(plan=bought.plan)
    running = offered(read(browser, "plan"))
    Subscription.objects.update(cancel_at_period_end=True)
    ending = offered(read(browser, "plan"))
    Subscription.objects.update(status="canceled")
    over = offered(read(browser, "plan"))

    assert newcomer == {"build": "checkout", "scale": "checkout"}
    assert running == {"build": "cancel", "scale": "change"}
    assert ending == {"build": "resume", "scale": "change"}
    assert over == {"scale": "checkout"}
