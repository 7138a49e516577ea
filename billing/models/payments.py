"""What the payment provider told us, and what we told it. It keeps the cards; nothing of them is here."""

import datetime

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.customers import Customer
from billing.models.plans import Plan


class Subscription(models.Model):
    """A customer's subscription as we last read it from the provider, whose word holds."""

    class Status(models.TextChoices):
        INCOMPLETE = "incomplete", _("not paid yet")
        INCOMPLETE_EXPIRED = "incomplete_expired", _("never paid")
        TRIALING = "trialing", _("on trial")
        ACTIVE = "active", _("active")
        PAST_DUE = "past_due", _("payment overdue")
        UNPAID = "unpaid", _("unpaid")
        PAUSED = "paused", _("paused")
        CANCELED = "canceled", _("cancelled")

    # While one of these, the plan that was bought is the plan that holds.
    PAID_FOR = (Status.TRIALING, Status.ACTIVE, Status.PAST_DUE)
    NEVER_PAID_FOR = (Status.INCOMPLETE, Status.INCOMPLETE_EXPIRED)

    customer = models.OneToOneField(
        Customer, on_delete=models.CASCADE, related_name="subscription", verbose_name=_("customer")
    )
    stripe_id = models.CharField(_("subscription at Stripe"), max_length=80, unique=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+", verbose_name=_("plan"))
    status = models.CharField(_("status"), max_length=20, choices=Status.choices)
    period_end = models.DateTimeField(_("paid until"), null=True)
    cancel_at_period_end = models.BooleanField(_("ends then"), default=False)
    # A smaller plan that was chosen begins when the paid period ends.
    next_plan = models.ForeignKey(
        Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("plan from then on")
    )
    schedule_id = models.CharField(_("schedule at Stripe"), max_length=80, blank=True)
    started_at = models.DateTimeField(_("began"), db_default=Now())
    ended_at = models.DateTimeField(_("ended"), null=True)
    # Calls that were settled up to here are in the rows of MeterSend.
    metered_until = models.DateTimeField(_("usage summed until"), db_default=Now())
    # When the reading began of which these are the results, by the database's clock: an older one never overwrites it.
    read_at = models.DateTimeField(_("last read"), db_default=Now())

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.stripe_id} {self.status}"


class StripeEvent(models.Model):
    """One webhook, by its id. Ids and a type only: the object is read again from the provider, also at a replay."""

    class State(models.TextChoices):
        RECEIVED = "received", _("received")
        APPLIED = "applied", _("applied")
        IGNORED = "ignored", _("not for us")
        FAILED = "failed", _("failed")

    event_id = models.CharField(_("event"), max_length=80, unique=True)
    kind = models.CharField(_("type"), max_length=80)
    object_id = models.CharField(_("object"), max_length=80, blank=True)
    stripe_customer_id = models.CharField(_("customer at Stripe"), max_length=80, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.RECEIVED)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    problem = models.CharField(_("last problem"), max_length=60, blank=True)
    created_at = models.DateTimeField(_("made by Stripe"), null=True)
    received_at = models.DateTimeField(_("received"), db_default=Now())
    applied_at = models.DateTimeField(_("applied"), null=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"


class MeterSendQuerySet(models.QuerySet["MeterSend"]):
    def due(self, now: datetime.datetime) -> "MeterSendQuerySet":
        """Sums of closed hours that the provider has not confirmed."""
        return self.filter(state=MeterSend.State.PENDING, due_at__lte=now).order_by("hour")


class MeterSend(models.Model):
    """What one customer's calls that were settled in one UTC hour cost, to be told to the provider once.

    The row is the job. ``identifier`` is made of the customer and ``until``, so a repeated send counts once there.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("to be sent")
        SENT = "sent", _("sent")
        VOID = "void", _("not billed")
        FAILED = "failed", _("refused")

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="meter_sends")
    hour = models.DateTimeField(_("hour (UTC)"))
    # The end of the hour, or of the subscription in the middle of it.
    until = models.DateTimeField(_("until"), db_default=Now())
    # Below zero where a call of an earlier hour turned out to have cost less than the sweeper thought.
    microusd = models.BigIntegerField(_("usage in millionths of a dollar"))
    identifier = models.CharField(_("identifier"), max_length=100, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    problem = models.CharField(_("last problem"), max_length=60, blank=True)
    due_at = models.DateTimeField(_("due"), db_default=Now())
    sent_at = models.DateTimeField(_("sent"), null=True)
    # What of it the sweeper had settled, by request id: should such a call settle after all, this much is told already.
    swept = models.JSONField(_("settled by the sweeper"), default=dict, blank=True)

    objects = MeterSendQuerySet.as_manager()

    class Meta:
        verbose_name = _("usage told to Stripe")
        verbose_name_plural = _("usage told to Stripe")
        ordering = ["-hour"]
        constraints = [models.UniqueConstraint(fields=["customer", "until"], name="one_send_for_an_end")]

    def __str__(self) -> str:
        return f"{self.identifier} {self.state}"


class CustomerRemoval(models.Model):
    """A customer who is to go at the provider too, because the account was erased. The row is the job.

    First the subscription ends there, with a last invoice for what was used; days later the customer is deleted.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", _("to be ended")
        ENDED = "ended", _("ended, to be deleted")
        DONE = "done", _("deleted")

    stripe_customer_id = models.CharField(_("customer at Stripe"), max_length=80, unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.REQUESTED)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    problem = models.CharField(_("last problem"), max_length=60, blank=True)
    due_at = models.DateTimeField(_("due"), db_default=Now())
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("removal at Stripe")
        verbose_name_plural = _("removals at Stripe")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.stripe_customer_id} {self.state}"


class Invoice(models.Model):
    """An invoice as the provider wrote it: number, sum and where to read it. Kept as long as the law wants."""

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="invoices", verbose_name=_("customer")
    )
    stripe_id = models.CharField(_("invoice at Stripe"), max_length=80, unique=True)
    number = models.CharField(_("number"), max_length=80, blank=True)
    status = models.CharField(_("status"), max_length=20)
    currency = models.CharField(_("currency"), max_length=3)
    total_cents = models.BigIntegerField(_("total in cents"))
    tax_cents = models.BigIntegerField(_("of it tax"), default=0)
    page_url = models.CharField(_("page"), max_length=500, blank=True)
    pdf_url = models.CharField(_("file"), max_length=500, blank=True)
    issued_at = models.DateTimeField(_("issued"), null=True)
    period_start = models.DateTimeField(_("from"), null=True)
    period_end = models.DateTimeField(_("to"), null=True)
    read_at = models.DateTimeField(_("last read"), db_default=Now())

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        ordering = ["-issued_at", "-id"]

    def __str__(self) -> str:
        return self.number or self.stripe_id


class Reconciliation(models.Model):
    """One nightly comparison: each quota with the sum of its lines, and what we told the provider with what it has."""

    day = models.DateField(_("day (UTC)"))
    kind = models.CharField(_("compared"), max_length=20)
    compared = models.PositiveIntegerField(_("rows compared"))
    differing = models.PositiveIntegerField(_("rows that differ"))
    difference_microusd = models.BigIntegerField(_("largest difference in millionths of a dollar"), default=0)
    # Ids and numbers of what differs, the first hundred of them.
    details = models.JSONField(_("what differs"), default=list, blank=True)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("reconciliation")
        verbose_name_plural = _("reconciliations")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.day}"
