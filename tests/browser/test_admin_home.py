"""The first page of the admin in a real browser: by day, by night, on a phone, under the policy of every page."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from tests.browser.conftest import Reader
from tests.browser.staff import staff_reader
from tests.browser.test_pages import findings
from tests.live import Site

Open = Callable[..., Reader]
SPENT = """
from datetime import timedelta
from django.utils import timezone
from inference import budget
from inference.models import AnswerTally, AskerClass, GpuLedgerEntry, Wake
now = timezone.now()
for back in range(12):
    wake = Wake.objects.create(backend="gpu", asker_class=AskerClass.SIGNED_IN, state=Wake.State.ASLEEP)
    for kind, seconds in ((AskerClass.SIGNED_IN, 900 + 211 * back % 1700), (AskerClass.PAYING, 300 * (back % 4))):
        GpuLedgerEntry.objects.create(
            wake=wake, kind="reserved", asker_class=kind, seconds=seconds, microusd=300 * seconds,
            day=(now - timedelta(days=back)).date(),
        )
    for place, rung in enumerate(("verified", "quoted", "small", "large", "none")):
        AnswerTally.objects.update_or_create(
            day=(now - timedelta(days=back)).date(), rung=rung, tier="", model="", language="en",
            defaults={"answers": 7 * (5 - place) + back},
        )
"""


@pytest.fixture(scope="module")
def spent_site(live_site: Site) -> Site:
    live_site.manage("shell", "-v", "0", "-c", SPENT)
    return live_site


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_first_page_and_on_a_limit(
    spent_site: Site, reader_at: Open, scheme: Literal["light", "dark"]
) -> None:
    reader = staff_reader(spent_site, reader_at, color_scheme=scheme)
    page = reader.page
    page.goto(f"{spent_site.url}/admin/")
    assert page.locator(".today meter").count() == 2
    assert page.locator(".today svg.chart").count() == 2
    keep(reader, f"home-{scheme}")
    assert findings(reader) == []

    page.click(".today .facts a >> nth=0")
    page.wait_for_url("**/gpulimit/**")
    page.click("#result_list tbody th a >> nth=0")
    page.wait_for_url("**/change/**")  # the whole page, or axe finds one without its main part
    keep(reader, f"limit-{scheme}")
    assert findings(reader) == []


def test_the_first_page_fits_320_pixels_and_its_tables_open(spent_site: Site, reader_at: Open) -> None:
    reader = staff_reader(spent_site, reader_at, width=320, height=640)
    page = reader.page
    page.goto(f"{spent_site.url}/admin/")
    for summary in page.locator(".today summary").all():
        summary.click()
    keep(reader, "home-320")

    assert page.evaluate("document.documentElement.scrollWidth") == 320
    assert page.locator(".today .chart-table").first.is_visible()


def test_a_limit_is_changed_with_a_reason_by_keyboard(spent_site: Site, reader_at: Open) -> None:
    reader = staff_reader(spent_site, reader_at)
    page = reader.page
    page.goto(f"{spent_site.url}/admin/inference/gpulimit/")
    page.click("#result_list tbody th a >> text=/visitors.*day/")
    page.fill("#id_usd_cents", "0")
    page.press("#id_usd_cents", "Tab")
    page.keyboard.type("a trial")
    page.press("#id_reason", "Enter")
    page.click("input[name=_save]")

    assert page.locator(".messagelist .success").is_visible()


def keep(reader: Reader, name: str) -> None:
    """Keep a picture where ``SCREENSHOTS`` says, for people to look at."""
    if folder := os.environ.get("SCREENSHOTS"):
        reader.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
