"""What was used: one line for each call, and the sums that limits are compared with.

Both are written by the functions of migration 0002 alone (``billing.ledger`` calls them): in one statement, under the
lock of the customer's row. Each quota is the sum of its lines; ``billing.audit_ledger`` compares them every night.
"""

import datetime
import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.customers import Customer
from billing.models.keys import ApiKey


class Quota(models.Model):
    """What one customer (``key`` is 0) or one key used of a UTC day or month, and what running calls have reserved."""

    class Window(models.TextChoices):
        DAY = "day", _("day")
        MONTH = "month", _("month")

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="quotas", verbose_name=_("customer"))
    key = models.BigIntegerField(_("key"), default=0, help_text=_("0: all keys together."))
    window = models.CharField(_("window"), max_length=5, choices=Window.choices)
    starts = models.DateField(_("begins (UTC)"))
    spent_microusd = models.BigIntegerField(_("spent, in millionths of a dollar"), default=0)
    reserved_microusd = models.BigIntegerField(_("reserved, in millionths of a dollar"), default=0)
    spent_gpu_ms = models.BigIntegerField(_("GPU milliseconds spent"), default=0)
    reserved_gpu_ms = models.BigIntegerField(_("GPU milliseconds reserved"), default=0)
    # The highest of 50, 80 and 100 % that the customer was told of.
    alerted_percent = models.PositiveSmallIntegerField(_("told at"), default=0)

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")
        ordering = ["-starts", "customer", "key"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "key", "window", "starts"], name="one_quota_a_window")
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}/{self.key} {self.window} {self.starts}"


class UsageRecordQuerySet(models.QuerySet["UsageRecord"]):
    def reserved(self) -> "UsageRecordQuerySet":
        """Calls that are running, or whose process died."""
        return self.filter(state=UsageRecord.State.RESERVED)

    def counting(self) -> "UsageRecordQuerySet":
        """Calls whose cost is known."""
        return self.exclude(state=UsageRecord.State.RESERVED)

    def between(self, first: datetime.date, last: datetime.date) -> "UsageRecordQuerySet":
        """Calls of the UTC days from ``first`` to ``last``, both included."""
        return self.filter(day__gte=first, day__lte=last)


class UsageRecord(models.Model):
    """One call. Reserved before it runs, settled when it ends; no text, no address.

    ``cost_microusd`` is what the tokens cost at the prices of that moment. ``counted`` is false where a backend did
    not say how many tokens it used and we counted them. ``idempotency`` and ``body`` are keyed digests of the header
    and the body, gone after a day.
    """

    class State(models.TextChoices):
        RESERVED = "reserved", _("running")
        SETTLED = "settled", _("settled")
        SWEPT = "swept", _("settled by the sweeper")

    class Outcome(models.TextChoices):
        DONE = "done", _("complete")
        ABORTED = "aborted", _("the client left")
        FAILED = "failed", _("failed on our side")
        REFUSED = "refused", _("not begun")
        LOST = "lost", _("its process died")

    request_id = models.UUIDField(_("request id"), default=uuid.uuid4, unique=True)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="usage", verbose_name=_("customer"))
    key = models.ForeignKey(ApiKey, on_delete=models.SET_NULL, null=True, related_name="usage", verbose_name=_("key"))
    endpoint = models.CharField(_("endpoint"), max_length=20)
    model = models.CharField(_("model"), max_length=80)
    streamed = models.BooleanField(_("streamed"), default=False)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.RESERVED)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, blank=True)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    reserved_microusd = models.BigIntegerField(_("reserved, in millionths of a dollar"), default=0)
    reserved_gpu_ms = models.BigIntegerField(_("GPU milliseconds reserved"), default=0)
    cost_microusd = models.BigIntegerField(_("cost in millionths of a dollar"), default=0)
    gpu_ms = models.BigIntegerField(_("GPU milliseconds"), default=0)
    prompt_tokens = models.PositiveIntegerField(_("tokens read"), default=0)
    cached_tokens = models.PositiveIntegerField(_("of them from the cache"), default=0)
    completion_tokens = models.PositiveIntegerField(_("tokens written"), default=0)
    counted = models.BooleanField(_("counted by the backend"), default=True)
    first_token_ms = models.PositiveIntegerField(_("time to the first token in ms"), null=True)
    duration_ms = models.PositiveIntegerField(_("duration in ms"), default=0)
    energy_mj = models.PositiveBigIntegerField(_("energy in mJ, middle estimate"), default=0)
    idempotency = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001 - unique where set
    body = models.CharField(max_length=64, blank=True, editable=False)
    # The UTC day its reservation counts in; the cost counts there too, so no window gets a hole.
    day = models.DateField(_("day it counts in (UTC)"))
    started_at = models.DateTimeField(_("started"), db_default=Now())
    settled_at = models.DateTimeField(_("settled"), null=True)

    objects = UsageRecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("usage record")
        verbose_name_plural = _("usage ledger")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["customer", "day"], name="usage_by_customer_and_day"),
            models.Index(fields=["started_at"], condition=models.Q(state="reserved"), name="usage_still_reserved"),
            models.Index(fields=["settled_at"], name="usage_by_settlement"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "idempotency"],
                condition=models.Q(idempotency__isnull=False),
                name="one_call_for_an_idempotency_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.request_id} {self.state}"
