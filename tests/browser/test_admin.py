"""The stock admin in a real browser, under the same policy as every page."""

from collections.abc import Callable

from tests.browser.conftest import Reader
from tests.browser.staff import staff_reader
from tests.live import Site

LISTS = [
    "/admin/",
    "/admin/inference/model/",
    "/admin/inference/backend/",
    "/admin/inference/answertally/",
    "/admin/inference/wake/",
    "/admin/inference/gpuledgerentry/",
    "/admin/inference/gpulimit/",
    "/admin/compliance/auditentry/",
    "/admin/compliance/evidencerecord/",
    "/admin/compliance/consentevent/",
    "/admin/accounts/user/",
    "/admin/chat/flag/",
    "/admin/chat/correction/",
    "/admin/chat/regressioncase/",
    "/admin/chat/trainingexample/",
    "/admin/chat/teammessage/",
    "/admin/billing/customer/",
    "/admin/billing/apikey/",
    "/admin/billing/plan/",
    "/admin/billing/modelprice/",
    "/admin/billing/usagerecord/",
    "/admin/billing/quota/",
    "/admin/billing/stripeevent/",
    "/admin/billing/reconciliation/",
]


def test_a_link_from_the_terminal_opens_the_admin_and_no_page_breaks_the_policy(
    live_site: Site, reader_at: Callable[..., Reader]
) -> None:
    reader = staff_reader(live_site, reader_at)

    for path in LISTS:
        reader.page.goto(f"{live_site.url}{path}")
        assert reader.page.locator("#content h1").is_visible(), path
    reader.page.goto(f"{live_site.url}/admin/inference/model/")
    reader.page.click("#result_list tbody th a")
    assert reader.page.locator("input[name=enabled]").is_checked()


def test_a_switch_in_a_list_is_saved(live_site: Site, reader_at: Callable[..., Reader]) -> None:
    reader = staff_reader(live_site, reader_at)
    reader.page.goto(f"{live_site.url}/admin/inference/backend/")
    try:
        reader.page.uncheck("input[name=form-0-enabled]")
        reader.page.click("input[name=_save]")
        assert not reader.page.locator("input[name=form-0-enabled]").is_checked()
    finally:
        reader.page.check("input[name=form-0-enabled]")
        reader.page.click("input[name=_save]")
    assert reader.page.locator("input[name=form-0-enabled]").is_checked()
