"""Sums of what was used: right by day, model and key, and safe to open in a spreadsheet."""

import csv
import datetime
import io
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from billing import usage
from billing.models import ApiKey, UsageRecord
from billing.usage import Usage
from tests.accounts.clients import signed_in
from tests.billing.rows import call, customer_on, key_of, today, weeks_of_calls

pytestmark = pytest.mark.django_db


@pytest.fixture
def key(alice: User) -> ApiKey:
    return key_of(customer_on(alice))


@pytest.fixture
def browser(alice: User) -> Client:
    return signed_in(alice)


def test_sums_count_each_call_once_and_running_ones_not_yet(key: ApiKey) -> None:
    outcomes = UsageRecord.Outcome
    calls = [call(key, today(), outcome=each) for each in outcomes]
    running = call(key, today(), state=UsageRecord.State.RESERVED, outcome="", reserved_microusd=900)
    UsageRecord.objects.bulk_create([*calls, running])

    sums = usage.today(key.customer_id, today())

    assert (sums.calls, sums.complete, sums.aborted, sums.errors) == (5, 1, 1, 3)
    assert (sums.prompt_tokens, sums.completion_tokens, sums.cost_microusd) == (1000, 250, 500)


def test_the_first_tokens_are_told_as_median_and_95th_percentile_of_the_calls_that_had_one(key: ApiKey) -> None:
    times = [*range(1, 101), None, None]
    UsageRecord.objects.bulk_create(call(key, today(), first_token_ms=ms) for ms in times)

    sums = usage.today(key.customer_id, today())

    assert (sums.first_token_ms, sums.first_token_p95_ms) == (50, 95)


def test_energy_is_a_range_around_the_middle_as_the_frugality_page_says(key: ApiKey) -> None:
    call(key, today(), energy_mj=7_200_000).save()

    energy = usage.today(key.customer_id, today()).energy

    assert (energy.low, energy.mid, energy.high) == (1.0, 2.0, 5.0)


def test_days_models_and_keys_part_the_same_total(key: ApiKey) -> None:
    other = key_of(key.customer, "server")
    weeks_of_calls(key, days=40)
    weeks_of_calls(other, days=3, model="wagmi-large", cost_microusd=70_000)

    found = Usage(key.customer_id, today() - datetime.timedelta(days=29), today())

    assert len(found.days) == 30
    assert found.total.calls == 30 * 4 + 3 * 4
    for parted in (found.days, found.models, found.keys, found.lines):
        assert sum(line.sums.calls for line in parted) == found.total.calls
        assert sum(line.sums.cost_microusd for line in parted) == found.total.cost_microusd
    assert [line.model for line in found.models] == ["wagmi-large", "wagmi-small"]
    assert [line.key for line in found.keys] == [other, key]


def test_a_day_is_utc_and_both_ends_belong_to_the_range(key: ApiKey) -> None:
    first, last = datetime.date(2026, 3, 1), datetime.date(2026, 3, 3)
    UsageRecord.objects.bulk_create(call(key, first + datetime.timedelta(days=back)) for back in range(-1, 4))

    found = Usage(key.customer_id, first, last)

    assert [(line.day, line.sums.calls) for line in found.days] == [
        (first, 1),
        (datetime.date(2026, 3, 2), 1),
        (last, 1),
    ]


def test_no_name_of_a_key_becomes_a_formula(alice: User, browser: Client) -> None:
    customer = customer_on(alice)
    for name in ("=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "＝1", "＋1", "－1", "＠SUM(1)", "\t=1", "\r=1"):
        call(key_of(customer, name), today()).save()
    call(key_of(customer, "plain, with a comma"), today()).save()

    response = browser.get("/account/api/usage/usage.csv?days=7")
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert "attachment" in response["Content-Disposition"] and "no-store" in response["Cache-Control"]
    assert len(rows) == 11
    assert [row["key"] for row in rows if not row["key"].startswith("'")] == ["plain, with a comma"]


def test_the_files_hold_what_the_page_shows(key: ApiKey, browser: Client) -> None:
    weeks_of_calls(key, days=10)

    rows = list(csv.DictReader(io.StringIO(browser.get("/account/api/usage/usage.csv?days=7").content.decode())))
    told = json.loads(browser.get("/account/api/usage/usage.json?days=7").content)
    page = browser.get("/account/api/usage/?days=7").content.decode()

    assert len(rows) == len(told["lines"]) == 7
    assert told["total"]["calls"] == sum(int(row["calls"]) for row in rows) == 28
    assert told["total"]["cost_usd"] == pytest.approx(0.0028)
    assert "0.0028\N{NO-BREAK SPACE}USD" in page and "<dd>28</dd>" in page


def test_the_page_is_cut_to_a_key_a_model_and_days(key: ApiKey, browser: Client) -> None:
    other = key_of(key.customer, "server")
    weeks_of_calls(key, days=9)
    weeks_of_calls(other, days=9, model="wagmi-large")

    def calls(**asked: Any) -> int:
        return int(json.loads(browser.get("/account/api/usage/usage.json", asked).content)["total"]["calls"])

    days = {"days": "custom", "first": str(today() - datetime.timedelta(days=1)), "last": str(today())}
    assert calls() == 72
    assert calls(key=str(other.public_id)) == calls(model="wagmi-large") == 36
    assert calls(**days) == 16
    assert calls(**days, model="wagmi-small", key=str(key.public_id)) == 8


@pytest.mark.parametrize(
    "asked",
    [
        {"days": "custom"},
        {"days": "custom", "first": "yesterday"},
        {"days": "custom", "first": "2026-03-02", "last": "2026-03-01"},
        {"days": "custom", "first": "2024-01-01", "last": "2026-01-01"},
        {"days": "12"},
        {"key": "somebody-elses"},
    ],
)
def test_days_that_cannot_be_shown_are_refused_in_words(browser: Client, asked: dict[str, str]) -> None:
    page = browser.get("/account/api/usage/", asked)
    file = browser.get("/account/api/usage/usage.csv", asked)

    assert (page.status_code, file.status_code) == (422, 422)
    assert b"field-problem" in page.content
    assert file["Content-Type"].startswith("text/plain")


def test_a_key_that_is_gone_leaves_its_calls(key: ApiKey, browser: Client) -> None:
    call(key, today()).save()
    key.delete()

    page = browser.get("/account/api/usage/").content.decode()

    assert "a key that is gone" in page


def test_the_page_costs_as_many_queries_for_a_year_as_for_a_day(
    key: ApiKey, browser: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(10):
        weeks_of_calls(key_of(key.customer, f"key {number}"), days=60, a_day=1)

    with django_assert_max_num_queries(16):
        browser.get("/account/api/usage/?days=90")


def test_running_calls_are_in_no_file(key: ApiKey, browser: Client) -> None:
    call(key, today(), state=UsageRecord.State.RESERVED, started_at=timezone.now()).save()

    assert json.loads(browser.get("/account/api/usage/usage.json").content)["lines"] == []
