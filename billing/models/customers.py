"""Who buys: one row for a person with keys. It outlives the account where the law wants invoices kept."""

import uuid

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from billing.models.plans import Plan


class Customer(models.Model):
    """One customer with a plan. Reserving and settling take its row as their lock.

    The limits here, where set, hold instead of the plan's: ``month_limit_microusd`` is the customer's own cap and
    never above the plan's; the others are staff's, given with a reason (``billing.quotas``).
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Null once the account was erased: invoices and what they are made of stay, without a name.
    user = models.OneToOneField(
        User, on_delete=models.SET_NULL, null=True, related_name="customer", verbose_name=_("user")
    )
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="customers", verbose_name=_("plan"))
    stripe_customer_id = models.CharField(_("customer at Stripe"), max_length=80, unique=True, null=True, blank=True)
    month_limit_microusd = models.PositiveBigIntegerField(_("own cap of a month"), null=True, blank=True)
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    tokens_per_minute = models.PositiveIntegerField(
        _("tokens per minute"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    parallel_calls = models.PositiveIntegerField(
        _("calls at a time"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    day_gpu_s = models.PositiveIntegerField(_("most GPU seconds in a day"), null=True, blank=True)
    month_gpu_s = models.PositiveIntegerField(_("most GPU seconds in a month"), null=True, blank=True)
    # Set while an invoice stays unpaid, or by staff: keys are refused with a sentence that says so.
    suspended_at = models.DateTimeField(_("suspended"), null=True, blank=True)
    suspended_reason = models.CharField(_("reason"), max_length=20, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.public_id}"

    def limit(self, name: str) -> int:
        """Return a limit by the name of its field: this customer's where set, else the plan's."""
        own = getattr(self, name)
        return int(getattr(self.plan, name) if own is None else own)
