"""Prices: a call is rounded up once, a change is a new row that holds from now on."""

import asyncio
import datetime

import pytest
from django.core.management import call_command
from django.utils import timezone

from billing import offers, prices
from billing.models import ModelPrice, Plan
from compliance.models import AuditEntry
from tests.billing.ledgers import seed


@pytest.mark.parametrize(
    ("price", "tokens", "expected"),
    [
        ((100_000, 400_000), (0, 0), 0),
        ((100_000, 400_000), (1, 0), 1),  # a tenth of a millionth of a dollar is rounded up
        ((100_000, 400_000), (10, 0), 1),
        ((100_000, 400_000), (11, 0), 2),
        ((100_000, 400_000), (5, 1), 1),  # both together, once
        ((100_000, 400_000), (1_000_000, 1_000_000), 500_000),
        ((0, 0), (5, 5), 0),
        ((1, 1), (10**12, 10**12), 2 * 10**6),
    ],
)
def test_a_call_costs_both_counts_at_their_price_rounded_up_once(
    price: tuple[int, int], tokens: tuple[int, int], expected: int
) -> None:
    assert prices.cost(price, *tokens) == expected


@pytest.mark.django_db
def test_a_price_that_is_changed_is_a_new_row_and_the_old_one_stays() -> None:
    seed()
    before = ModelPrice.objects.get(model="wagmi-small")

    new = offers.set_price("wagmi-small", input_microusd=1, output_microusd=2, actor="operator", reason="trial")

    assert prices.read()["wagmi-small"] == (1, 2)
    assert ModelPrice.objects.get(pk=before.pk).input_microusd == 100_000
    assert offers.holding() & {before.pk, new.pk} == {new.pk}
    entry = AuditEntry.objects.get(action="billing.price-set")
    assert entry.changes["before"] == {"input_microusd": 100_000, "output_microusd": 400_000}
    assert entry.changes["after"] == {"input_microusd": 1, "output_microusd": 2}

    again = offers.set_price("wagmi-small", input_microusd=1, output_microusd=2, actor="operator")
    assert again.pk == new.pk
    assert AuditEntry.objects.filter(action="billing.price-set").count() == 1


@pytest.mark.django_db
def test_a_price_of_tomorrow_does_not_hold_today() -> None:
    seed()
    tomorrow = timezone.now() + datetime.timedelta(days=1)
    ModelPrice.objects.create(model="wagmi-small", input_microusd=9, output_microusd=9, valid_from=tomorrow)

    assert prices.read()["wagmi-small"] == (100_000, 400_000)


def test_old_prices_hold_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    known = prices.Prices()
    answers = iter([{"wagmi-small": (1, 2)}])
    monkeypatch.setattr(prices, "read", lambda: next(answers))

    async def ask() -> None:
        assert await known.current() == {"wagmi-small": (1, 2)}
        known.forget()
        assert await known.current() == {"wagmi-small": (1, 2)}

    asyncio.run(ask())


@pytest.mark.django_db
def test_a_plan_that_is_saved_is_in_the_log_by_its_terms_and_not_its_words() -> None:
    seed()
    plan = Plan.objects.get(slug="build")
    plan.month_cents, plan.summary = 1_000, {"en": "Other words."}

    assert offers.save_plan(plan, actor="operator", reason="agreement")
    assert not offers.save_plan(plan, actor="operator")

    entry = AuditEntry.objects.get(action="billing.plan-saved")
    assert entry.object_id == "build"
    assert entry.changes == {
        "before": {"month_cents": 900},
        "after": {"month_cents": 1_000},
        "facts": {"words": True, "reason": "agreement"},
    }


@pytest.mark.django_db(transaction=True)
def test_plans_and_prices_are_there_for_the_next_test_after_one_that_emptied_the_tables() -> None:
    call_command("flush", interactive=False, verbosity=0)  # what the end of a test that commits does

    assert set(Plan.objects.values_list("slug", flat=True)) == {"free", "build", "scale"}
    assert prices.read()["wagmi-small"] == (100_000, 400_000)
