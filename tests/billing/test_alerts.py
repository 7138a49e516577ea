"""Mail at a half, four fifths and the end of the month's budget: each once, true when it is sent."""

import datetime
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts import mailqueue
from accounts.models import QueuedMail, User
from billing import alerts, limits, tasks
from billing.models import Customer, Quota
from tests.billing.rows import customer_on, quota

pytestmark = pytest.mark.django_db


@pytest.fixture
def customer(alice: User) -> Customer:
    return customer_on(alice)  # 50 USD a month


def told() -> list[str]:
    return list(QueuedMail.objects.order_by("pk").values_list("object_id", flat=True))


def test_each_step_is_told_once_in_a_month(customer: Customer) -> None:
    row = quota(customer)
    steps = []

    for spent_usd in (24, 25, 30, 40, 41, 49.5, 50):
        Quota.objects.update(spent_microusd=int(spent_usd * 1_000_000))
        steps.append((alerts.check(timezone.now()), alerts.check(timezone.now())))

    assert steps == [(0, 0), (1, 0), (0, 0), (1, 0), (0, 0), (1, 0), (0, 0)]
    assert told() == [f"{row.pk}:50", f"{row.pk}:80", f"{row.pk}:100"]


def test_a_month_that_jumps_over_steps_is_told_of_the_highest(customer: Customer) -> None:
    row = quota(customer, spent_microusd=45_000_000)

    tasks.alert()

    assert told() == [f"{row.pk}:80"]


def test_a_cap_of_ones_own_counts_and_a_new_one_begins_the_count_anew(customer: Customer) -> None:
    row = quota(customer, spent_microusd=6_000_000)
    limits.set_cap(customer, 10_000_000, actor="operator")
    alerts.check(timezone.now())
    limits.set_cap(customer, 7_000_000, actor="operator")
    alerts.check(timezone.now())
    limits.set_cap(customer, None, actor="operator")
    alerts.check(timezone.now())

    assert told() == [f"{row.pk}:50", f"{row.pk}:80"]


def test_days_single_keys_other_months_and_the_erased_are_nobodys_news(customer: Customer) -> None:
    quota(customer, window="day", spent_microusd=50_000_000)
    quota(customer, key=7, spent_microusd=50_000_000)
    last_month = quota(customer, spent_microusd=50_000_000)
    Quota.objects.filter(pk=last_month.pk).update(starts=datetime.date(2026, 1, 1))
    quota(Customer.objects.create(user=None, plan=customer.plan), spent_microusd=50_000_000)

    assert alerts.check(timezone.now()) == 0
    assert told() == []


@pytest.mark.parametrize(
    ("language", "step", "said"),
    [
        ("en", 100, "used up"),
        ("en", 80, "80 percent"),
        ("fr", 100, "épuisé"),
        ("fr", 50, "50 %"),
    ],
)
def test_the_mail_says_how_much_of_what_and_when_it_begins_anew(
    customer: Customer, alice: User, settings: Any, language: str, step: int, said: str
) -> None:
    User.objects.update(language=language)
    quota(customer, spent_microusd=500_000 * step)
    alerts.check(timezone.now())

    mailqueue.send(QueuedMail.objects.get().pk)

    (sent,) = mail.outbox
    assert sent.to == [alice.email] and said in sent.subject
    spent = f"{step // 2}{',' if language == 'fr' else '.'}00\N{NO-BREAK SPACE}USD"
    assert spent in sent.body and f"{settings.CHAT_URL}/account/api/limits/" in sent.body
    assert "00:00 UTC" in sent.body


def test_a_mail_that_waited_into_the_next_month_is_not_sent(customer: Customer) -> None:
    quota(customer, spent_microusd=50_000_000)
    alerts.check(timezone.now())
    Quota.objects.update(starts=datetime.date(2026, 1, 1))

    assert mailqueue.send(QueuedMail.objects.get().pk) is False

    assert mail.outbox == []
