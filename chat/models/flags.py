"""Answers that a reader handed over for review, with what they wrote themselves.

A flag is a copy given knowingly and for one purpose. Its texts go soon after the decision; the row stays without them,
so that the same answer is not flagged twice and decisions can be counted.
"""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from inference.models import Rung


class FlagQuerySet(models.QuerySet["Flag"]):
    def open(self) -> "FlagQuerySet":
        """The flags that wait for a decision and still have their texts."""
        return self.filter(state=Flag.State.OPEN, emptied_at=None, expires_at__gt=Now())

    def with_texts(self) -> "FlagQuerySet":
        """The flags whose texts are there and have not expired, decided or not."""
        return self.filter(emptied_at=None, expires_at__gt=Now())

    def queued(self) -> "FlagQuerySet":
        """Open flags, the next one first: by weight, then by age."""
        return self.open().order_by("-weight", "id")


class Flag(models.Model):
    """One answer that somebody found wanting, and what staff decided about it.

    ``question`` and ``text`` are what the seal was made over, ``passages`` the ids it names. ``number_sha256`` is the
    digest of the receipt number, which only the sender has: whoever shows it sees the outcome or deletes the texts.
    """

    class Reason(models.TextChoices):
        WRONG = "wrong", _("It is wrong")
        UNSUPPORTED = "unsupported", _("The source does not say this")
        UNHELPFUL = "unhelpful", _("It misses the question")
        OFFENSIVE = "offensive", _("It is offensive")
        HARMFUL = "harmful", _("It could do harm")
        PRIVATE = "private", _("It tells something about a person")
        OTHER = "other", _("Something else")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        UPHELD = "upheld", _("upheld")
        DISMISSED = "dismissed", _("dismissed")
        WITHDRAWN = "withdrawn", _("withdrawn by the sender")
        LAPSED = "lapsed", _("expired before a decision")

    class Finding(models.TextChoices):
        """Why staff decided as they did: what the sender reads, and what is counted."""

        FALSE = "false", _("the answer was wrong")
        NOT_SUPPORTED = "not_supported", _("its source did not say it")
        OFF_THE_POINT = "off_the_point", _("it missed the question")
        INAPPROPRIATE = "inappropriate", _("it was inappropriate")
        SOUND = "sound", _("the answer was right and supported")
        OUT_OF_SCOPE = "out_of_scope", _("it is not what this site answers")
        MISUSE = "misuse", _("the flag was not about the answer")

    UPHOLDING = (Finding.FALSE, Finding.NOT_SUPPORTED, Finding.OFF_THE_POINT, Finding.INAPPROPRIATE)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    # The id in the seal, until the seal is too old to flag with: then it is forgotten.
    answer = models.UUIDField(_("answer"), null=True, unique=True)
    answer_until = models.DateTimeField(_("seal good until"))
    # Set aside, not protected: ``chat.moderation.flags`` deletes the texts when the account closes.
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="flags", verbose_name=_("sender")
    )
    language = models.CharField(_("language"), max_length=10)
    reason = models.CharField(_("reason"), max_length=20, choices=Reason.choices)
    words = models.TextField(_("words of the sender"), blank=True)
    question = models.TextField(_("question"), blank=True)
    text = models.TextField(_("answer"), blank=True)
    passages = models.JSONField(_("passages"), default=list)
    receipt = models.JSONField(_("receipt"), default=dict)
    rung = models.CharField(_("rung"), max_length=10, choices=Rung.choices)
    model = models.CharField(_("model"), max_length=80, blank=True)
    notice_version = models.CharField(_("version of the notice"), max_length=20)
    notice_sha256 = models.CharField(_("sha256 of the notice"), max_length=64)
    # The random id under which this sender consented to training with it; none without that consent.
    training_subject = models.UUIDField(_("consent to training"), null=True, blank=True)
    weight = models.PositiveSmallIntegerField(_("weight"), default=1)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPEN)
    finding = models.CharField(_("finding"), max_length=20, choices=Finding.choices, blank=True)
    note = models.TextField(_("words to the sender"), blank=True)
    created_at = models.DateTimeField(_("flagged"), db_default=Now(), db_index=True)
    expires_at = models.DateTimeField(_("texts expire"), db_index=True)
    emptied_at = models.DateTimeField(_("texts deleted"), null=True)
    decided_at = models.DateTimeField(_("decided"), null=True)
    decided_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    locked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("held by")
    )
    locked_until = models.DateTimeField(_("held until"), null=True)

    objects = FlagQuerySet.as_manager()

    class Meta:
        verbose_name = _("flag")
        verbose_name_plural = _("flags")
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "-weight", "id"], name="flag_queue")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(decided_at=None) | ~models.Q(state="open"), name="flag_decided_is_not_open"
            ),
            models.CheckConstraint(
                condition=models.Q(emptied_at=None) | models.Q(question="", text="", words="", note=""),
                name="flag_emptied_has_no_text",
            ),
        ]

    def __str__(self) -> str:
        return str(self.public_id)
