"""The customer's dashboard in a browser: a key made, tried, replaced and revoked; every page sound at every size."""

from collections.abc import Callable
from typing import Literal

import pytest

from tests.browser.conftest import Reader
from tests.browser.devices import newcomer_at
from tests.browser.test_signin import assert_sound, forget_refusals
from tests.customers import api
from tests.live import Site, wait_for

Open = Callable[..., Reader]
PAGES = ("", "keys/", "keys/make/", "usage/", "usage/?days=custom", "limits/", "limits/cap/", "billing/")
WEEKS = """
from accounts.models import User
from billing.models import Customer, Invoice
from tests.billing.rows import call, key_of, quota, today, weeks_of_calls
customer = Customer.objects.get(user__email="{address}")
limited = key_of(customer, "a job that runs at night", day_limit_microusd=500_000, month_gpu_s=60, parallel_calls=1)
weeks_of_calls(limited, days=40, model="wagmi-large", outcome="aborted", gpu_ms=1500)
weeks_of_calls(customer.keys.last(), days=40)
quota(customer, spent_microusd=900_000, spent_gpu_ms=60_000)
Invoice.objects.create(customer=customer, stripe_id="in_{address}", number="WAGMI-0001", status="paid",
    currency="usd", total_cents=900, page_url="https://invoice.stripe.com/i/1")
"""


def make_key(reader: Reader, site: Site, name: str = "laptop") -> str:
    """Make a key as its owner does, and return what the page shows."""
    page = reader.page
    page.goto(f"{site.url}/account/api/keys/make/")
    page.fill("[name=name]", name)
    page.press("[name=name]", "Enter")
    return page.locator(".api-key").inner_text().strip()


def test_a_key_works_from_the_moment_it_is_shown_through_its_grace_until_it_is_revoked(
    live_site: Site, reader_at: Open
) -> None:
    reader, _address = newcomer_at(live_site, reader_at, "/account/api/", java_script_enabled=False)
    page = reader.page
    page.click("a[href$='/keys/make/']")
    page.fill("[name=name]", "laptop")
    page.click(".api-form button.button")
    first = page.locator(".api-key").inner_text().strip()
    assert api(live_site, first).get("/key").status_code == 200

    page.click("text=I have it")
    assert page.locator("text=Never used.").count() == 1
    assert first not in page.content()
    page.click("a[href$='/rotate/']")
    page.check("[value='1h']")
    page.click(".account-form button.button")
    second = page.locator(".api-key").inner_text().strip()
    assert [api(live_site, key).get("/key").status_code for key in (first, second)] == [200, 200]

    page.click("text=I have it")
    page.locator("a[href$='/revoke/']").first.click()
    page.click(".account-form button.button")
    assert page.locator("a[href$='/revoke/']").count() == 1
    wait_for(lambda: api(live_site, second).get("/key").status_code == 401, 5)
    assert api(live_site, first).get("/key").status_code == 200


@pytest.mark.parametrize(("scheme", "width", "height"), [("dark", 320, 640), ("light", 1280, 800)])
def test_axe_finds_nothing_in_the_dashboard(
    live_site: Site, reader_at: Open, scheme: Literal["light", "dark"], width: int, height: int
) -> None:
    reader, address = newcomer_at(
        live_site, reader_at, "/account/api/", color_scheme=scheme, width=width, height=height
    )
    page = reader.page
    make_key(reader, live_site)
    assert_sound(reader, width)
    live_site.manage("shell", "-v", "0", "-c", WEEKS.format(address=address))

    for path in PAGES:
        page.goto(f"{live_site.url}/account/api/{path}")
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert_sound(reader, width)
    page.goto(f"{live_site.url}/account/api/keys/")
    for verb in ("rotate", "revoke"):
        with page.expect_navigation():
            page.locator(f"a[href$='/{verb}/']").first.click()
        assert_sound(reader, width)
        page.go_back()
    page.goto(f"{live_site.url}/account/api/keys/make/")
    page.fill("[name=address_ranges]", "my house")
    page.click(".api-form button.button")
    page.wait_for_selector(".field-problem")
    assert_sound(reader, width)
    forget_refusals(reader)
