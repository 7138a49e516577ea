"""What is offered at what price, for everybody: the plans of ``billing`` and the models this site really has.

Prices are rows that staff change, so no page carries one in its HTML: pages are filled from here, with the date.
"""

import datetime

import msgspec
from django.conf import settings
from django.utils import timezone

from billing.models import Plan
from billing.models.plans import MICROUSD
from billing.prices import read as prices_now
from compliance.database import in_thread
from inference.facts import KEPT_S, Kept
from inference.models import Tier
from inference.registry import Served, snapshot


class PlanOffer(msgspec.Struct, frozen=True):
    """A plan. Sums are US dollars, GPU time is seconds; a plan that is not metered ends at what is included."""

    slug: str
    name: str
    summary: dict[str, str]
    month_usd: float
    included_usd: float
    metered: bool
    month_limit_usd: float
    requests_per_minute: int
    tokens_per_minute: int
    parallel_calls: int
    day_gpu_s: int
    month_gpu_s: int
    priority: str


class ModelOffer(msgspec.Struct, frozen=True):
    """A model with its prices for a million tokens; null where it has none yet and so is not sold."""

    id: str
    name: str
    embeds: bool
    hardware: str
    stand_in: bool
    input_usd: float | None
    output_usd: float | None


class PriceList(msgspec.Struct, frozen=True):
    """What ``GET /api/prices`` says. ``payments``: whether a payment provider is connected to this site."""

    generated_at: datetime.datetime
    payments: bool
    plans: list[PlanOffer]
    models: list[ModelOffer]


async def read_price_list() -> PriceList:
    """Return what is offered at this moment."""
    plans, prices = await in_thread(_rows)
    served = {one.public_id: one for one in reversed(await snapshot.served()) if one.enabled}
    return PriceList(
        generated_at=timezone.now().replace(microsecond=0),
        payments=bool(settings.STRIPE_SECRET_KEY),
        plans=plans,
        models=[_model(one, prices.get(name)) for name, one in sorted(served.items(), key=_place)],
    )


def _rows() -> tuple[list[PlanOffer], dict[str, tuple[int, int]]]:
    return [_plan(plan) for plan in Plan.objects.offered()], prices_now()


def _plan(plan: Plan) -> PlanOffer:
    return PlanOffer(
        slug=plan.slug,
        name=plan.name,
        summary={code: plan.summary_in(code) for code, _name in settings.LANGUAGES},
        month_usd=plan.month_cents / 100,
        included_usd=plan.included_microusd / MICROUSD,
        metered=plan.metered,
        month_limit_usd=plan.month_limit_microusd / MICROUSD,
        requests_per_minute=plan.requests_per_minute,
        tokens_per_minute=plan.tokens_per_minute,
        parallel_calls=plan.parallel_calls,
        day_gpu_s=plan.day_gpu_s,
        month_gpu_s=plan.month_gpu_s,
        priority=plan.priority,
    )


def _model(served: Served, price: tuple[int, int] | None) -> ModelOffer:
    return ModelOffer(
        id=served.public_id,
        name=served.name,
        embeds=served.tier == Tier.EMBED,
        hardware=served.hardware,
        stand_in=served.stand_in,
        input_usd=None if price is None else price[0] / MICROUSD,
        output_usd=None if price is None else price[1] / MICROUSD,
    )


def _place(named: tuple[str, Served]) -> tuple[int, str]:
    """Small models first, embeddings last."""
    return ([Tier.SMALL, Tier.LARGE, Tier.EMBED].index(Tier(named[1].tier)), named[0])


price_list = Kept(read_price_list, kept_s=KEPT_S)
