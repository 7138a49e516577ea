"""What is offered is data: staff set prices and plans, and nothing of the past changes with them."""

from typing import Any

from django.db import models, transaction
from django.utils import timezone

from billing.models import ModelPrice, Plan
from compliance import audit


@transaction.atomic
def set_price(
    model: str, *, input_microusd: int, output_microusd: int, actor: audit.Person | str, reason: str = ""
) -> ModelPrice:
    """Give a model a price that holds from now on, as a new row. The one that held is returned when it is the same.

    Calls that ended keep what they cost. A web process learns of it within half a minute.
    """
    now = timezone.now()
    held = ModelPrice.objects.filter(model=model, valid_from__lte=now).order_by("-valid_from").first()
    after: dict[str, audit.Value] = {"input_microusd": input_microusd, "output_microusd": output_microusd}
    before: dict[str, audit.Value] = {name: getattr(held, name) if held else None for name in after}
    if held is not None and before == after:
        return held
    row = ModelPrice.objects.create(
        model=model, input_microusd=input_microusd, output_microusd=output_microusd, valid_from=now
    )
    audit.record(
        "billing.price-set",
        actor=actor,
        object_kind="model",
        object_id=model,
        before=before,
        after=after,
        reason=reason or None,
    )
    return row


def holding() -> set[int]:
    """Return the keys of the prices that hold now, one for each model."""
    return set(ModelPrice.objects.valid_at(timezone.now()).values_list("pk", flat=True))


@transaction.atomic
def save_plan(plan: Plan, *, actor: audit.Person | str, reason: str = "") -> bool:
    """Save a plan that is new or was changed; False when nothing differs. Its words are not in the log, its terms are.

    Limits hold from the next call on; the price of a month is what the provider charges, so change it there as well.
    """
    held = Plan.objects.select_for_update().filter(pk=plan.pk).first()
    changed = [field.name for field in _fields() if held is None or _value(held, field) != _value(plan, field)]
    if not changed:
        return False
    plan.save()
    terms = [field for field in _fields() if field.name in changed and _is_term(field)]
    audit.record(
        "billing.plan-saved",
        actor=actor,
        object_kind="plan",
        object_id=plan.slug,
        before={field.name: _value(held, field) if held else None for field in terms},
        after={field.name: _value(plan, field) for field in terms},
        words=any(field.name in changed for field in _fields() if not _is_term(field)),
        reason=reason or None,
    )
    return True


def _fields() -> "list[models.Field[Any, Any]]":
    return [field for field in Plan._meta.concrete_fields if not field.primary_key]


def _value(plan: Plan, field: "models.Field[Any, Any]") -> Any:
    return getattr(plan, field.name)


def _is_term(field: "models.Field[Any, Any]") -> bool:
    return field.name not in ("name", "summary")
