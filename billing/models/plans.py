"""What is offered: plans, and what a million tokens cost. Rows, so that an operator changes them without a release."""

import datetime

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

MICROUSD = 1_000_000  # of them in a dollar
MICROUSD_PER_CENT = 10_000


class PlanQuerySet(models.QuerySet["Plan"]):
    def offered(self) -> "PlanQuerySet":
        """Plans that a newcomer may choose, smallest first."""
        return self.filter(offered=True).order_by("rank")


class Plan(models.Model):
    """What a customer may use in a UTC month, and what it costs.

    The price of a month covers ``included_microusd`` of usage. Beyond it a ``metered`` plan is billed by use, up to
    ``month_limit_microusd``; any other plan ends there.
    """

    class Priority(models.TextChoices):
        PAYING = "paying", _("before everybody who does not pay")
        SIGNED_IN = "signed_in", _("with the signed-in people of the chat")

    slug = models.SlugField(_("short name"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=40)
    # By language: {"en": "…", "fr": "…"}.
    summary = models.JSONField(_("one sentence, by language"), default=dict, blank=True)
    rank = models.PositiveSmallIntegerField(_("place among the plans, smallest first"), unique=True)
    month_cents = models.PositiveIntegerField(_("price of a month in US cents"), default=0)
    included_microusd = models.PositiveBigIntegerField(_("usage in the price, in millionths of a dollar"), default=0)
    metered = models.BooleanField(_("usage beyond that is billed"), default=False)
    month_limit_microusd = models.PositiveBigIntegerField(_("most usage in a month, in millionths of a dollar"))
    day_gpu_s = models.PositiveIntegerField(_("most GPU seconds in a day"))
    month_gpu_s = models.PositiveIntegerField(_("most GPU seconds in a month"))
    requests_per_minute = models.PositiveIntegerField(_("requests per minute"), validators=[MinValueValidator(1)])
    tokens_per_minute = models.PositiveIntegerField(_("tokens per minute"), validators=[MinValueValidator(1)])
    parallel_calls = models.PositiveIntegerField(_("calls at a time"), validators=[MinValueValidator(1)])
    priority = models.CharField(_("place in the queue"), max_length=10, choices=Priority.choices)
    offered = models.BooleanField(_("offered to newcomers"), default=True)
    stripe_price_id = models.CharField(_("price of a month at Stripe"), max_length=80, blank=True)
    stripe_usage_price_id = models.CharField(_("price of usage at Stripe"), max_length=80, blank=True)

    objects = PlanQuerySet.as_manager()

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ["rank"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(month_limit_microusd__gte=models.F("included_microusd")),
                name="plan_limit_covers_what_is_included",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_free(self) -> bool:
        return self.month_cents == 0 and not self.metered

    def summary_in(self, language: str) -> str:
        """Return the sentence about the plan in a language, in English where there is none."""
        return str(self.summary.get(language) or self.summary.get("en") or "")


class ModelPriceQuerySet(models.QuerySet["ModelPrice"]):
    def valid_at(self, now: datetime.datetime) -> "ModelPriceQuerySet":
        """The price of each model at ``now``, one row each."""
        return self.filter(valid_from__lte=now).order_by("model", "-valid_from").distinct("model")


class ModelPrice(models.Model):
    """What a million tokens of a model cost from a moment on. A change is a new row, so an old call keeps its price."""

    model = models.SlugField(_("model"), max_length=80)
    input_microusd = models.PositiveBigIntegerField(_("a million tokens read, in millionths of a dollar"))
    output_microusd = models.PositiveBigIntegerField(_("a million tokens written, in millionths of a dollar"))
    valid_from = models.DateTimeField(_("valid from"))

    objects = ModelPriceQuerySet.as_manager()

    class Meta:
        verbose_name = _("price of a model")
        verbose_name_plural = _("prices of models")
        ordering = ["model", "-valid_from"]
        constraints = [models.UniqueConstraint(fields=["model", "valid_from"], name="one_price_at_a_time")]

    def __str__(self) -> str:
        return f"{self.model} ({self.valid_from:%Y-%m-%d})"
