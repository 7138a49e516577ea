"""What staff decide about findings of a red-team run."""

import datetime
import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Finding(models.Model):
    """A probe that hit a target. What the model said stays in the file of the run; here is its digest."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ACCEPTED = "accepted", _("accepted until a day")
        FIXED = "fixed", _("fixed")

    class Reason(models.TextChoices):
        """Why a failure is lived with for a while."""

        HARMLESS = "harmless", _("harmless here: nothing follows from what was said")
        MODEL_LIMIT = "model_limit", _("a limit of the model, said to its users")
        CONTAINED = "contained", _("contained elsewhere: by the page, the check or a limit")
        FALSE_ALARM = "false_alarm", _("the detector is wrong about this answer")
        PLANNED = "planned", _("a fix is on its way")

    public_id = models.UUIDField(_("id"), default=uuid.uuid4, unique=True, editable=False)
    target = models.CharField(_("target"), max_length=40)
    model = models.CharField(_("model"), max_length=80)
    probe = models.CharField(_("probe"), max_length=120)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    hits = models.PositiveIntegerField(_("hits in the last run"))
    accepted_hits = models.PositiveIntegerField(_("hits that were accepted"), default=0)
    output_sha256 = models.CharField(_("sha256 of what was said"), max_length=64)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    last_record = models.PositiveBigIntegerField(_("record of the last run"))
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    reason = models.CharField(_("reason"), max_length=20, choices=Reason.choices, blank=True)
    expires_on = models.DateField(_("accepted until"), null=True, blank=True)
    note = models.TextField(_("note"), blank=True, help_text=_("For staff. It is not in the evidence."))

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        ordering = ["target", "model", "probe"]
        constraints = [
            models.UniqueConstraint(fields=["target", "model", "probe"], name="finding_once"),
            models.CheckConstraint(
                condition=~Q(state="accepted") | (Q(expires_on__isnull=False) & ~Q(reason="")),
                name="finding_accepted_with_reason_and_day",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.target} {self.probe}"

    def is_accepted_on(self, day: datetime.date) -> bool:
        """Whether staff live with it on ``day``; the day that is named is the first on which they do not."""
        return self.state == self.State.ACCEPTED and self.expires_on is not None and day < self.expires_on
