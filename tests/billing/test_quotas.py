"""What staff decide about a customer: with a reason, before and after in the log, at once."""

import pytest
from django.core.exceptions import ValidationError
from django.db.models import Field

from accounts.models import User
from billing import quotas
from billing.errors import NotAllowed
from billing.models import ApiKey, Customer, Plan, Subscription
from compliance.models import AuditEntry
from tests.billing.ledgers import call, carol, grant_of, key_of, reserve

pytestmark = pytest.mark.django_db


def test_limits_are_the_customers_own_until_they_are_given_back(dana: User) -> None:
    customer = carol()
    _key, text = key_of(customer)
    wanted = {"requests_per_minute": 5, "day_gpu_s": 0, "parallel_calls": None}

    assert quotas.change_limits(customer, wanted, actor=dana, reason="trial", reference="482")
    assert not quotas.change_limits(customer, wanted, actor=dana, reason="trial")

    assert grant_of(text).rates[0].requests == 5
    entry = AuditEntry.objects.get(action="billing.limits-change")
    assert (entry.actor, entry.object_id) == (f"user:{dana.public_id}", str(customer.public_id))
    assert entry.changes == {
        "before": {"requests_per_minute": None, "day_gpu_s": None},
        "after": {"requests_per_minute": 5, "day_gpu_s": 0},
        "facts": {"reason": "trial", "reference": "482"},
    }
    assert quotas.change_limits(customer, {"requests_per_minute": None}, actor=dana, reason="trial")
    assert grant_of(text).rates[0].requests == 120


def test_a_plan_is_given_without_a_payment_but_never_against_one(dana: User) -> None:
    customer = carol("free")
    scale = Plan.objects.get(slug="scale")

    assert quotas.move(customer, scale, actor=dana, reason="agreement")
    assert not quotas.move(customer, scale, actor=dana, reason="agreement")

    entry = AuditEntry.objects.get(action="billing.plan-set")
    assert (entry.changes["before"], entry.changes["after"]) == ({"plan": "free"}, {"plan": "scale"})
    Subscription.objects.create(customer=customer, stripe_id="sub_1", plan=scale, status="past_due")
    with pytest.raises(NotAllowed, match="subscribed"):
        quotas.move(customer, Plan.objects.get(slug="free"), actor=dana)


def test_a_suspension_refuses_the_next_call_until_it_is_lifted(dana: User) -> None:
    customer = carol()
    key, text = key_of(customer)

    assert quotas.suspend(customer, actor=dana, reason="abuse")
    assert not quotas.suspend(customer, actor=dana, reason="unpaid")
    assert reserve(call(key)) == ["suspended"]
    assert grant_of(text).suspended

    # A payment that arrives does not lift what staff have decided for another reason.
    assert not quotas.lift(customer, actor="system", reason="unpaid", only="unpaid")
    assert quotas.lift(customer, actor=dana, reason="other")
    assert not quotas.lift(customer, actor=dana, reason="other")
    assert reserve(call(key)) == ["ok"]
    assert Customer.objects.get().suspended_reason == ""
    acts = AuditEntry.objects.filter(action="billing.suspension").order_by("number")
    assert [(each.changes["after"]["suspended"], each.changes["facts"]["reason"]) for each in acts] == [
        (True, "abuse"), (False, "other"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute", "parallel_calls"])
def test_a_rate_of_nothing_is_refused_for_a_customer_and_for_a_key(name: str) -> None:
    for model in (Customer, ApiKey):
        field = model._meta.get_field(name)
        assert isinstance(field, Field)
        with pytest.raises(ValidationError):
            field.clean(0, None)
        assert field.clean(1, None) == 1
        assert field.clean(None, None) is None
