"""API keys: what a customer's programs show. The key itself is nowhere in here."""

import uuid

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from billing.models.customers import Customer


class Scope(models.TextChoices):
    CHAT = "chat", _("chat and completions")
    EMBEDDINGS = "embeddings", _("embeddings")
    USAGE = "usage", _("reading usage")


def every_scope() -> list[str]:
    return [scope.value for scope in Scope]


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def working(self) -> "ApiKeyQuerySet":
        """Keys that are neither revoked nor expired, by the database's clock."""
        unexpired = models.Q(expires_at__isnull=True) | models.Q(expires_at__gt=Now())
        return self.filter(unexpired, revoked_at__isnull=True)


class ApiKey(models.Model):
    """One key. ``digest`` is an HMAC under the pepper ``pepper_id``; ``prefix`` is what its owner knows it by.

    Limits that are null are the customer's. A key that was rotated points to its successor and works until
    ``expires_at``, the end of its grace.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="keys", verbose_name=_("customer"))
    name = models.CharField(_("name"), max_length=60)
    prefix = models.CharField(_("begins with"), max_length=20)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    pepper_id = models.CharField(max_length=20, editable=False)
    scopes = models.JSONField(_("may be used for"), default=every_scope)
    allowed_models = models.JSONField(_("models"), default=list, blank=True, help_text=_("Empty: all of them."))
    address_ranges = models.JSONField(
        _("addresses it may be used from"), default=list, blank=True, help_text=_("Empty: any.")
    )
    day_limit_microusd = models.PositiveBigIntegerField(_("most usage in a day"), null=True, blank=True)
    month_limit_microusd = models.PositiveBigIntegerField(_("most usage in a month"), null=True, blank=True)
    day_gpu_s = models.PositiveIntegerField(_("most GPU seconds in a day"), null=True, blank=True)
    month_gpu_s = models.PositiveIntegerField(_("most GPU seconds in a month"), null=True, blank=True)
    requests_per_minute = models.PositiveIntegerField(
        _("requests per minute"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    tokens_per_minute = models.PositiveIntegerField(
        _("tokens per minute"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    parallel_calls = models.PositiveIntegerField(
        _("calls at a time"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    expires_at = models.DateTimeField(_("works until"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    successor = models.OneToOneField(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="predecessor",
        verbose_name=_("successor"),
    )
    # To the minute: when a key was used last is for spotting one that should not be, not for watching its owner.
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
