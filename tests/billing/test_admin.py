"""The staff's lists: found by what a customer has in hand, changed with a reason, never showing what a key is."""

import time
from typing import Any
from urllib.parse import quote_plus

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import audit_ledger
from billing.models import (
    ApiKey,
    Customer,
    Invoice,
    MeterSend,
    ModelPrice,
    Plan,
    Quota,
    StripeEvent,
    Subscription,
    UsageRecord,
)
from compliance.models import AuditEntry
from siteproject import admin_home
from tests.billing.ledgers import call, carol, end, key_of, reserve, settle
from tests.signed_in import sign_in, sign_in_as_staff

pytestmark = pytest.mark.django_db
LISTS = (
    "customer", "apikey", "plan", "modelprice", "quota", "usagerecord", "stripeevent", "subscription", "metersend",
    "invoice", "reconciliation",
)  # fmt: skip
READ_ONLY = ("quota", "usagerecord", "stripeevent", "subscription", "metersend", "invoice", "reconciliation", "apikey")


@pytest.fixture
def customer() -> Customer:
    """A customer with a key, one finished and one running call, and one row of everything a provider brings."""
    found = carol()
    key, _text = key_of(found)
    done, running = call(key), call(key, model="wagmi-large")
    reserve(done, running)
    settle(end(done))
    now = timezone.now()
    Subscription.objects.create(customer=found, stripe_id="sub_1", plan=found.plan, status="active")
    Invoice.objects.create(
        customer=found, stripe_id="in_1", number="W-1", status="paid", currency="usd", total_cents=900
    )
    MeterSend.objects.create(customer=found, hour=now, until=now, microusd=1, identifier="a")
    StripeEvent.objects.create(event_id="evt_1", kind="invoice.paid", state="failed")
    audit_ledger.check(now)
    return found


def page(client: Client, path: str, **query: str) -> str:
    response = client.get(f"/admin/billing/{path}", query)
    assert response.status_code == 200, path
    return response.content.decode()


def a_row(name: str) -> int:
    """Return the key of some row of a model."""
    return int(apps.get_model("billing", name)._default_manager.values_list("pk", flat=True)[0])


def change(client: Client, row: Customer, **fields: Any) -> Any:
    """Send the form of a customer as a browser does, with everything else as it stands."""
    kept = {
        name: "" if (value := getattr(row, name)) is None else value
        for name in ("requests_per_minute", "tokens_per_minute", "parallel_calls", "day_gpu_s", "month_gpu_s")
    }
    data = {"plan": row.plan_id, **kept, "reason": "trial", "reference": "482", **fields}
    return client.post(f"/admin/billing/customer/{row.pk}/change/", data)


def test_every_list_and_every_row_opens_and_no_page_shows_what_a_key_is(
    staff_client: Client, customer: Customer
) -> None:
    key = ApiKey.objects.get()

    for name in LISTS:
        shown = page(staff_client, f"{name}/") + page(staff_client, f"{name}/{a_row(name)}/change/")
        assert key.digest not in shown, name
        assert "style=" not in shown, name


@pytest.mark.parametrize("name", READ_ONLY)
def test_what_something_else_writes_is_read_only(name: str, staff_client: Client, customer: Customer) -> None:
    row = a_row(name)

    assert staff_client.get(f"/admin/billing/{name}/add/").status_code == 403
    for verb in ("change", "delete"):
        answer = staff_client.post(f"/admin/billing/{name}/{row}/{verb}/", {"post": "yes"})
        assert answer.status_code == 403, verb


def test_a_customer_is_found_by_id_by_address_and_at_the_provider(staff_client: Client, customer: Customer) -> None:
    carol(email="bob@example.org")
    Customer.objects.filter(pk=customer.pk).update(stripe_customer_id="cus_1")

    for wanted in (str(customer.public_id), "carol@", "cus_1"):
        shown = page(staff_client, "customer/", q=wanted)
        assert str(customer.public_id) in shown, wanted
        assert "bob@example.org" not in shown, wanted


def test_a_call_is_found_by_its_request_or_the_id_of_its_completion(staff_client: Client, customer: Customer) -> None:
    line = UsageRecord.objects.get(state="settled")
    other = UsageRecord.objects.get(state="reserved")

    for wanted in (str(line.request_id), f"chatcmpl-{line.request_id}", f" {str(line.request_id).upper()} "):
        shown = page(staff_client, "usagerecord/", q=wanted)
        assert str(line.request_id) in shown
        assert str(other.request_id) not in shown
    assert str(line.request_id) not in page(staff_client, "usagerecord/", q="not an id")
    assert str(line.request_id) not in page(staff_client, "usagerecord/", unsettled="running")
    assert str(other.request_id) in page(staff_client, "usagerecord/", unsettled="running")
    assert str(other.request_id) not in page(staff_client, "usagerecord/", unsettled="late")
    assert str(line.request_id) not in page(staff_client, "usagerecord/", model="wagmi-large")


def test_a_key_is_found_by_what_it_begins_with(staff_client: Client, customer: Customer) -> None:
    key, text = key_of(customer)
    other = ApiKey.objects.exclude(pk=key.pk).get()

    shown = page(staff_client, "apikey/", q=text[:10])

    assert str(key.pk) in shown.partition('id="result_list"')[2]
    assert other.prefix not in shown


def test_limits_plan_and_suspension_are_changed_with_one_reason(
    staff_client: Client, customer: Customer, dana: User
) -> None:
    Subscription.objects.all().delete()
    scale = Plan.objects.get(slug="scale")

    response = change(staff_client, customer, requests_per_minute="5", plan=scale.pk, suspended="on")

    assert response.status_code == 302, response.content.decode()
    customer.refresh_from_db()
    assert (customer.requests_per_minute, customer.plan, customer.suspended_reason) == (5, scale, "trial")
    acts = AuditEntry.objects.filter(object_id=str(customer.public_id))
    assert {each.action for each in acts} == {"billing.limits-change", "billing.plan-set", "billing.suspension"}
    assert {each.actor for each in acts} == {f"user:{dana.public_id}"}
    assert {each.changes["facts"]["reference"] for each in acts} == {"482"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"reason": ""}, "This field is required."),
        ({"reference": "Carol called"}, "Enter a valid value."),
        ({"requests_per_minute": "-1"}, "greater than or equal to 0"),
        ({"plan": "scale"}, "This customer pays for a subscription"),
    ],
)
def test_a_change_without_a_reason_or_against_a_payment_is_refused_beside_the_field(
    fields: dict[str, Any], words: str, staff_client: Client, customer: Customer
) -> None:
    if "plan" in fields:
        fields = {"plan": Plan.objects.get(slug="scale").pk}

    response = change(staff_client, customer, **fields)

    assert response.status_code == 200
    assert words in response.content.decode()
    assert not AuditEntry.objects.filter(object_id=str(customer.public_id)).exists()


def test_staff_revoke_keys_and_the_log_says_who(staff_client: Client, customer: Customer, dana: User) -> None:
    key = ApiKey.objects.get()

    response = staff_client.post(
        "/admin/billing/apikey/", {"action": "revoke", "_selected_action": [key.pk]}, follow=True
    )

    assert "1 key revoked." in response.content.decode()
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert AuditEntry.objects.get(action="billing.key-revoked").actor == f"user:{dana.public_id}"


def test_a_price_is_changed_by_a_new_row_and_history_is_closed(staff_client: Client, customer: Customer) -> None:
    held = ModelPrice.objects.get(model="wagmi-small")
    wanted = {"input_microusd": 1, "output_microusd": 2, "reason": "agreement"}

    response = staff_client.post(f"/admin/billing/modelprice/{held.pk}/change/", wanted)

    assert response.status_code == 302
    assert ModelPrice.objects.get(pk=held.pk).input_microusd == 100_000
    newest = ModelPrice.objects.filter(model="wagmi-small").latest("valid_from")
    assert (newest.input_microusd, newest.output_microusd) == (1, 2)
    again = staff_client.post(f"/admin/billing/modelprice/{held.pk}/change/", wanted)
    assert again.status_code == 403
    added = staff_client.post("/admin/billing/modelprice/add/", {**wanted, "model": "wagmi-new"})
    assert added.status_code == 302
    assert AuditEntry.objects.filter(action="billing.price-set").count() == 2


def test_a_plan_is_data_with_its_terms_in_the_log(staff_client: Client, customer: Customer) -> None:
    plan = Plan.objects.get(slug="build")
    form = staff_client.get(f"/admin/billing/plan/{plan.pk}/change/").context["adminform"].form
    data = {name: value for name, value in form.initial.items() if value not in (None, False)}
    data["summary"] = '{"en": "One sentence."}'

    response = staff_client.post(
        f"/admin/billing/plan/{plan.pk}/change/", {**data, "parallel_calls": 9, "reason": "agreement"}
    )

    assert response.status_code == 302, response.content.decode()
    entry = AuditEntry.objects.get(action="billing.plan-saved")
    assert (entry.changes["before"], entry.changes["after"]) == ({"parallel_calls": 8}, {"parallel_calls": 9})
    wrong = staff_client.post(f"/admin/billing/plan/{plan.pk}/change/", {**data, "summary": "[1]", "reason": "trial"})
    assert "One sentence for each language" in wrong.content.decode()


def test_what_costs_money_asks_for_a_fresh_proof(dana: User, customer: Customer) -> None:
    client = Client()
    sign_in(client, dana, "code", "mfa", at=time.time() - 7200)
    key = ApiKey.objects.get()

    for path in (f"customer/{customer.pk}/change/", "plan/add/", "modelprice/add/"):
        answer = client.get(f"/admin/billing/{path}")
        assert answer["Location"] == f"/accounts/proof/?next={quote_plus('/admin/billing/' + path)}"
    acted = client.post("/admin/billing/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    assert acted["Location"].startswith("/accounts/proof/")
    key.refresh_from_db()
    assert key.revoked_at is None


def test_who_may_only_look_changes_nothing(customer: Customer) -> None:
    viewer = User.objects.create_user("bob@example.org", is_staff=True)
    viewer.user_permissions.set(
        Permission.objects.filter(content_type__app_label="billing", codename__startswith="view_")
    )
    client = Client()
    sign_in_as_staff(client, viewer)

    assert change(client, customer, requests_per_minute="5").status_code == 403
    for name, action in (("apikey", "revoke"), ("stripeevent", "replay")):
        assert f'value="{action}"' not in page(client, f"{name}/")
    client.post("/admin/billing/apikey/", {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]})
    assert ApiKey.objects.get().revoked_at is None


def test_a_failed_webhook_is_replayed_and_says_what_came_of_it(
    staff_client: Client, customer: Customer, dana: User, settings: Any
) -> None:
    settings.STRIPE_SECRET_KEY = ""
    event = StripeEvent.objects.get()

    response = staff_client.post(
        "/admin/billing/stripeevent/", {"action": "replay", "_selected_action": [event.pk]}, follow=True
    )

    shown = response.content.decode()
    assert "Webhook evt_1 was not applied: payments_off." in shown
    assert "0 webhooks applied." in shown
    entry = AuditEntry.objects.get(action="billing.webhook-replayed")
    assert (entry.actor, entry.changes["after"]) == (f"user:{dana.public_id}", {"state": "failed"})


def test_the_first_page_counts_todays_use_and_what_failed(dana: User, customer: Customer) -> None:
    facts = {str(fact.title): fact for fact in admin_home.today(dana)}

    assert (facts["API today (UTC)"].words, facts["API today (UTC)"].detail) == (
        "0.00 US dollars", "1 customer called.",
    )  # fmt: skip
    assert facts["Calls of the API"].words == "1 running"
    assert facts["Calls of the API"].path == "/admin/billing/usagerecord/?unsettled=running"
    failed = facts["Webhooks that failed"]
    assert (failed.words, failed.urgent, failed.path) == ("1", True, "/admin/billing/stripeevent/?state__exact=failed")
    assert Quota.objects.filter(key=0, window="day").count() == 1
