"""A member of staff with a browser: in by the link, the second factor added on the way."""

import secrets
from collections.abc import Callable
from typing import Any

from tests.browser.conftest import Reader
from tests.live import Site
from tests.signed_in import app_code, secret_on


def staff_reader(site: Site, reader_at: Callable[..., Reader], **options: Any) -> Reader:
    """Return a reader who stands in the admin, as somebody who was made staff just now."""
    link = site.manage("make_staff", f"dana-{secrets.token_hex(4)}@example.org").strip()
    reader = reader_at(link, **options)
    page = reader.page
    page.click("main button[type=submit]")
    page.goto(f"{site.url}/accounts/factors/app/")
    page.fill("#code", app_code(secret_on(page.content())))
    page.click(".door-form button[type=submit]")
    page.wait_for_url("**/recovery-codes/")
    page.goto(f"{site.url}/admin/")
    assert page.locator("#site-name").is_visible()
    return reader
