"""The first page of the admin: the day's facts, each with its list, whole even when a part is away."""

import datetime
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from accounts.models import AccountClosure, QueuedMail, User
from compliance import evidence
from inference import budget, budget_state, gpu_limits
from inference.models import AnswerTally, AskerClass, Backend, Model, Wake
from siteproject import admin_home

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _limits(settings: Any) -> None:
    settings.LLM_GPU_DAY_S, settings.LLM_GPU_MONTH_S = 7200, 180_000
    settings.LLM_GPU_USD_PER_HOUR = 0.5
    gpu_limits.sync()
    budget_state.forget()


@pytest.fixture
def wake() -> Wake:
    row = Wake.objects.create(backend="gpu", asker_class=AskerClass.SIGNED_IN)
    budget.reserve(row, AskerClass.SIGNED_IN)
    return row


def facts(user: User) -> dict[str, admin_home.Fact]:
    return {str(fact.title): fact for fact in admin_home.today(user)}


def page(client: Client, language: str = "en") -> str:
    response = client.get("/admin/", headers={"accept-language": language})
    assert response.status_code == 200
    return response.content.decode()


def test_gpu_seconds_stand_against_the_budget_with_a_meter_and_words(
    staff_client: Client, dana: User, wake: Wake
) -> None:
    fact = facts(dana)["GPU budget today (UTC)"]

    assert fact.words == f"0 s used, {budget.hard_limit_s()} s reserved, of 7,200 s"
    assert fact.meter == pytest.approx(budget.hard_limit_s() / 7200)
    assert fact.path == "/admin/inference/gpulimit/"
    assert '<meter value="0.08' in page(staff_client)


def test_a_spent_budget_asks_for_somebody(dana: User, settings: Any) -> None:
    settings.LLM_GPU_DAY_S = 10
    gpu_limits.sync()

    fact = facts(dana)["GPU budget today (UTC)"]

    assert fact.urgent
    assert "the CPU answers" in fact.detail


def test_each_tier_says_its_state_and_its_queue(dana: User) -> None:
    model = Model.objects.create(
        public_id="wagmi-large", tier="large", hardware="cpu", context_tokens=1, max_output_tokens=1
    )
    Backend.objects.create(name="gpu", model=model, state=Backend.State.ASLEEP)

    fact = facts(dana)["wagmi-large"]
    assert (fact.words, fact.urgent, fact.path) == ("asleep", False, "/admin/inference/backend/")
    assert fact.detail.startswith("On: CPU.")

    Model.objects.update(enabled=False)
    assert facts(dana)["wagmi-large"].words == "switched off"


def test_a_woken_tier_says_for_how_long(dana: User, wake: Wake) -> None:
    model = Model.objects.create(public_id="wagmi-large", tier="large", context_tokens=1, max_output_tokens=1)
    Backend.objects.create(name="gpu", model=model, state=Backend.State.ASLEEP)

    assert re.fullmatch(r"requested, \d s after it was asked for", facts(dana)["wagmi-large"].words)


def test_waiting_mail_is_counted(dana: User, alice: User) -> None:
    yesterday = timezone.now() - datetime.timedelta(hours=25)
    QueuedMail.objects.create(user=alice, template="export-ready", created_at=yesterday)

    fact = facts(dana)["Mail waiting"]

    assert (fact.words, fact.detail) == ("1 mail", "The oldest is 1 day 1 hour old.")


def test_nothing_stored_is_said(dana: User) -> None:
    fact = facts(dana)["Oldest stored chat"]

    assert fact.words == "nothing is stored"
    assert fact.path == "/admin/compliance/evidencerecord/?kind__exact=retention"


def test_a_broken_chain_asks_for_somebody(dana: User) -> None:
    evidence.record("chain_head", {"audit": "3:abc", "evidence": "0:0", "intact": False, "broken": {"audit": "x"}})

    fact = facts(dana)["Chains of records"]

    assert (fact.words, fact.urgent) == ("one is broken", True)


def test_failed_jobs_are_counted_by_kind(dana: User) -> None:
    assert facts(dana)["Jobs that failed"].words == "no job failed"

    AccountClosure.objects.create(subject=dana.public_id, state=AccountClosure.State.FAILED)
    Wake.objects.create(backend="gpu", asker_class=AskerClass.PAYING, state=Wake.State.FAILED)

    found = facts(dana)
    assert (found["Erasures that failed"].words, found["Erasures that failed"].urgent) == ("1", True)
    assert found["Wakes that failed in 7 days"].path == "/admin/inference/wake/?state__exact=failed"


def test_a_list_that_somebody_may_not_see_is_no_link(dana: User) -> None:
    User.objects.update(is_superuser=False)

    assert not any(fact.path for fact in admin_home.today(User.objects.get()))


def test_a_part_that_is_away_leaves_the_page_whole(staff_client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE inference_gpuledgerentry RENAME TO away")
        cursor.execute("ALTER TABLE accounts_queuedmail RENAME TO away_too")

    found = page(staff_client)

    assert found.count("This could not be read. The log says why.") == 3  # GPU seconds, mail, failed mails
    assert "Oldest stored chat" in found
    assert "answers in the last 30 days" in found.lower()


def test_thirty_days_are_drawn_with_a_table(staff_client: Client, wake: Wake) -> None:
    AnswerTally.objects.create(day=timezone.now().date(), rung="quoted", language="en", answers=7)

    found = page(staff_client)

    assert found.count('<svg class="chart"') == 2
    assert found.count('<table class="chart-table"') == 2
    assert 'style="' not in found
    assert "<script>" not in found


def test_the_facts_speak_french(dana: User) -> None:
    with translation.override("fr"):
        found = facts(dana)

    assert "Budget du GPU aujourd’hui (UTC)" in found
    assert found["Processus d’arrière-plan"].words == "aucun signe de vie"


def test_an_alarm_stands_on_top(staff_client: Client, settings: Any) -> None:
    settings.LLM_GPU_DAY_S = 60
    gpu_limits.sync()

    found = page(staff_client)

    assert found.index("the large model never wakes") < found.index("GPU budget today")


def test_whoever_has_no_second_factor_sees_none_of_it(client: Client, dana: User) -> None:
    client.force_login(dana)

    assert b"GPU budget today" not in client.get("/admin/", follow=True).content
