"""Messages of the payment provider to real processes: often, backwards, false, old, strange, too large (row 22)."""

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import stripe

from siteproject.stack.folder import Folder
from siteproject.stack.probe import free_port
from siteproject.stack.test_payments.part import TestPayments
from tests.customers import new_customer, new_key, sql
from tests.live import Site, running_site, wait_for

BEGIN = """
from django.utils import timezone
from billing import subscriptions
from billing.models import Customer, Plan
customer = Customer.objects.get(user__email={email!r})
print(subscriptions.begin_checkout(
    customer, Plan.objects.get(slug={plan!r}), now=timezone.now(),
    success_url="{site}/return?session={{CHECKOUT_SESSION_ID}}", cancel_url="{site}/"))
"""


@dataclass
class Shop:
    """A site with the stand-in for Stripe beside it, and somebody who has bought a plan there."""

    site: Site
    payments: TestPayments
    secret: str
    subscription: str = ""

    def control(self, what: str, **asked: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.payments.addresses()['STRIPE_SECRET_KEY']}"}
        answer = httpx.post(f"{self.payments.url}/control/{what}", json=asked, headers=headers, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def happens(self, *names: str, **how: Any) -> list[int]:
        """Let things happen, have them told in a way, and return what the site answered to each message."""
        about = {} if names == ("unknown",) else {"subscription": self.subscription}
        return list(self.control("scenario", names=names, about=about, how={"again": False} | how)["statuses"])

    def state(self) -> tuple[str, str, bool]:
        """Return the subscription's status, the customer's plan, and whether the keys are refused."""
        (row,) = sql(
            self.site,
            "SELECT s.status, p.slug, c.suspended_at IS NOT NULL FROM billing_subscription s"
            " JOIN billing_customer c ON c.id = s.customer_id JOIN billing_plan p ON p.id = c.plan_id"
            " WHERE s.stripe_id = %s",
            self.subscription,
        )
        return row[0], row[1], row[2]

    def post(self, body: bytes, *, age_s: int = 0, secret: str = "", **headers: str) -> int:
        stamp = int(time.time()) - age_s
        text = body.decode()
        headers["Stripe-Signature"] = stripe.WebhookSignature.generate_signature_header(
            text, secret or self.secret, stamp
        )
        return httpx.post(f"{self.site.url}/api/stripe/webhook", content=body, headers=headers, timeout=30).status_code


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    port = free_port()
    folder = Folder(tmp_path_factory.mktemp("payments"))
    folder.make()
    url = f"http://localhost:{port}"
    payments = TestPayments(folder, webhook=f"{url}/api/stripe/webhook")
    with payments.running():
        addresses = payments.addresses()
        with running_site(model=False, PORT=str(port), SITE_URL=url, **addresses) as site:
            site.manage("stripe_setup")
            shop = Shop(site, payments, addresses["STRIPE_WEBHOOK_SECRETS"])
            email = new_customer()
            new_key(site, email=email, plan="free")
            page = site.manage("shell", "-v", "0", "-c", BEGIN.format(email=email, plan="build", site=url)).split()[-1]
            assert "Pay" in httpx.get(page).text
            paid = httpx.post(f"{page}/pay")
            assert paid.status_code == 303 and paid.headers["location"].startswith(f"{url}/return?session=cs_")
            wait_for(
                lambda: sql(site, "SELECT 1 FROM billing_subscription WHERE status = 'active'"), 20, site.log("web")
            )
            ((shop.subscription,),) = sql(site, "SELECT stripe_id FROM billing_subscription")
            yield shop
            assert [call["problems"] for call in shop.control("calls") if call["problems"]] == []
            assert "Traceback" not in site.log("web") and email not in site.log("web")


def test_fault_22_a_plan_that_is_paid_for_is_there(shop: Shop) -> None:
    assert shop.state() == ("active", "build", False)
    wait_for(lambda: len(sql(shop.site, "SELECT 1 FROM billing_stripeevent WHERE state = 'applied'")) == 4, 20)
    assert sql(shop.site, "SELECT status, total_cents FROM billing_invoice") == [("paid", 900)]


def test_fault_22_a_message_twenty_times_at_a_time_has_one_effect(shop: Shop) -> None:
    statuses = shop.happens("payment_failed", "unpaid", times=20)

    assert len(statuses) == 60 and set(statuses) == {200}
    assert shop.state() == ("unpaid", "build", True)
    repeated = sql(shop.site, "SELECT event_id FROM billing_stripeevent WHERE tries <> 1 OR state <> 'applied'")
    mails = sql(shop.site, "SELECT count(*) FROM accounts_queuedmail WHERE template = 'payment-unpaid'")
    audited = sql(shop.site, "SELECT count(*) FROM compliance_auditentry WHERE action = 'billing.suspension'")
    assert (repeated, mails, audited) == ([], [(1,)], [(1,)])


def test_fault_22_in_reversed_order_the_newest_state_holds(shop: Shop) -> None:
    statuses = shop.happens("recovered", "payment_failed", "recovered", "month_ended", backwards=True, times=3)

    assert set(statuses) == {200}
    assert shop.state() == ("active", "build", False)


def test_fault_22_what_is_false_old_strange_or_too_large_has_no_effect(shop: Shop) -> None:
    before = sql(shop.site, "SELECT count(*) FROM billing_stripeevent WHERE state = 'applied'")
    event = {"id": "evt_test_false", "object": "event", "type": "customer.subscription.deleted", "created": 1}
    body = json.dumps(event | {"data": {"object": {"id": shop.subscription, "object": "subscription"}}}).encode()
    large = json.dumps(event | {"data": {"object": {"id": "x" * 1_000_000}}}).encode()

    answers = {
        "another secret": shop.post(body, secret=f"whsec_{secrets.token_hex(16)}"),
        "six minutes old": shop.post(body, age_s=360),
        "unknown type": shop.happens("unknown", age_s=0)[0],
        "told late": shop.happens("month_ended", age_s=400)[0],
        "1 MB": shop.post(large),
    }

    assert answers == {
        "another secret": 400,
        "six minutes old": 400,
        "unknown type": 200,
        "told late": 400,
        "1 MB": 413,
    }
    assert sql(shop.site, "SELECT count(*) FROM billing_stripeevent WHERE state = 'applied'") == before
    assert shop.state() == ("active", "build", False)


def test_fault_22_the_provider_away_in_the_middle_is_made_good_when_it_comes_again(shop: Shop) -> None:
    shop.control("away", calls=3)

    first = shop.happens("cancelled")
    again = [shop.post(json.dumps(each["message"]).encode()) for each in shop.control("messages")[-1:]]

    assert (first, again) == ([503], [200])
    assert shop.state() == ("canceled", "free", False)
