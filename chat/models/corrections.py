"""What staff wrote because of a flag: answers that readers get, cases a gate runs, examples for training."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.models.flags import Flag
from compliance.models import ConsentEvent


class CorrectionQuerySet(models.QuerySet["Correction"]):
    def served(self) -> "CorrectionQuerySet":
        """The corrections that readers get, oldest first."""
        return self.filter(state=Correction.State.APPROVED).order_by("id")


class Correction(models.Model):
    """A question in several phrasings and its answer, written by staff, with the passage that proves it.

    Serves the chat alone: no page, feed, export or file for machines shows it. Those of one ``group`` say the same in
    several languages.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("waits for approval")
        APPROVED = "approved", _("given to readers")
        WITHDRAWN = "withdrawn", _("withdrawn")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    group = models.UUIDField(_("group"), default=uuid.uuid4, db_index=True)
    language = models.CharField(_("language"), max_length=10)
    questions = models.JSONField(_("questions"), default=list)
    answer = models.TextField(_("answer"))
    passage = models.CharField(_("passage that proves it"), max_length=200)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.DRAFT)
    flag = models.ForeignKey(
        Flag, on_delete=models.SET_NULL, null=True, blank=True, related_name="corrections", verbose_name=_("flag")
    )
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("author"))
    approver = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("approved by")
    )
    created_at = models.DateTimeField(_("written"), db_default=Now())
    approved_at = models.DateTimeField(_("approved"), null=True)
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True)
    # What other processes compare to learn that something changed.
    changed_at = models.DateTimeField(_("changed"), db_default=Now(), db_index=True)

    objects = CorrectionQuerySet.as_manager()

    class Meta:
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "language"], condition=~models.Q(state="withdrawn"), name="one_correction_per_language"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="approved") | models.Q(approved_at__isnull=False),
                name="correction_approved_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class RegressionCase(models.Model):
    """A question, written by staff, whose answer was once wrong, and what the answer must be like from now on.

    Each word or phrase of ``must_say`` stands in a good answer, none of ``must_not_say`` does; ``rung`` is the rung it
    must stand on, empty where any will do.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    language = models.CharField(_("language"), max_length=10)
    question = models.TextField(_("question"))
    rung = models.CharField(_("rung"), max_length=10, blank=True)
    must_say = models.JSONField(_("must say"), default=list, blank=True)
    must_not_say = models.JSONField(_("must not say"), default=list, blank=True)
    correction = models.ForeignKey(
        Correction, on_delete=models.SET_NULL, null=True, blank=True, related_name="cases", verbose_name=_("correction")
    )
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("author"))
    created_at = models.DateTimeField(_("written"), db_default=Now())
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True, blank=True)

    class Meta:
        verbose_name = _("regression case")
        verbose_name_plural = _("regression cases")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.public_id)


class TrainingExample(models.Model):
    """A sender's question, patterns of personal data masked, with the answer that staff wrote, for the training set.

    Only with the sender's consent to just that, and gone with it. One for each flag.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    flag = models.UUIDField(_("flag"), unique=True)
    subject = models.UUIDField(_("subject of the consent"), db_index=True)
    # A record that is never deleted; a constraint would stand in the way of its own guard against TRUNCATE.
    consent = models.ForeignKey(
        ConsentEvent,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        verbose_name=_("consent it rests on"),
    )
    language = models.CharField(_("language"), max_length=10)
    question = models.TextField(_("question"))
    answer = models.TextField(_("answer"))
    passage = models.CharField(_("passage"), max_length=200, blank=True)
    provenance = models.JSONField(_("provenance"), default=dict)
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("added by"))
    created_at = models.DateTimeField(_("added"), db_default=Now())

    class Meta:
        verbose_name = _("training example")
        verbose_name_plural = _("training examples")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.public_id)


class WithdrawnExample(models.Model):
    """The id of a training example that left the set: a training set that still holds it is refused. No text."""

    example = models.UUIDField(_("example"), unique=True)
    reason = models.CharField(_("reason"), max_length=20)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("withdrawn example")
        verbose_name_plural = _("withdrawn examples")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.example)
