"""Messages that somebody sent to the people behind the site, and what those answered by hand."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class TeamMessageQuerySet(models.QuerySet["TeamMessage"]):
    def kept(self) -> "TeamMessageQuerySet":
        """The messages that have not expired; one that has is gone for every reader, however late its deletion is."""
        return self.exclude(expires_at__lte=Now())

    def waiting(self) -> "TeamMessageQuerySet":
        """The messages that nobody has closed, the one due first in front."""
        return self.exclude(state=TeamMessage.State.CLOSED).order_by("due_at", "id")

    def overdue(self) -> "TeamMessageQuerySet":
        return self.waiting().filter(due_at__lt=Now(), answered_at=None)


class TeamMessage(models.Model):
    """One message: routed by its kind, owned by somebody, due at a time, gone a while after it was closed.

    ``number_sha256`` is the digest of the receipt number, which only the sender has: whoever shows it sees how the
    message stands or deletes it. ``reply_to`` is given only where an answer is wanted; nothing automatic goes there.
    """

    class Kind(models.TextChoices):
        INCIDENT = "incident", _("incident or security")
        PRIVACY = "privacy", _("privacy request")
        PRESS = "press", _("press")
        SALES = "sales", _("sales")
        SUPPORT = "support", _("support")
        OTHER = "other", _("something else")

    class State(models.TextChoices):
        RECEIVED = "received", _("received")
        TAKEN = "taken", _("somebody has it")
        ANSWERED = "answered", _("answered")
        CLOSED = "closed", _("closed")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    number_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    language = models.CharField(_("language"), max_length=10)
    text = models.TextField(_("message"))
    reply_to = models.EmailField(_("address for the answer"), blank=True)
    user = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="team_messages", verbose_name=_("sender")
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.RECEIVED)
    owner = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("owner")
    )
    received_at = models.DateTimeField(_("received"), db_default=Now(), db_index=True)
    due_at = models.DateTimeField(_("due"))
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True, db_index=True)
    # The public id of the incident that staff opened because of it.
    incident = models.UUIDField(_("incident"), null=True, blank=True)

    objects = TeamMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("message to the team")
        verbose_name_plural = _("messages to the team")
        ordering = ["due_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="closed") | models.Q(closed_at__isnull=False, expires_at__isnull=False),
                name="closed_message_expires",
            )
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class TeamReply(models.Model):
    """An answer that staff wrote by hand. The mail that carries it is queued under its public id."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    message = models.ForeignKey(
        TeamMessage, on_delete=models.CASCADE, related_name="replies", verbose_name=_("message")
    )
    author = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("author"))
    text = models.TextField(_("answer"))
    written_at = models.DateTimeField(_("written"), db_default=Now())

    class Meta:
        verbose_name = _("answer by the team")
        verbose_name_plural = _("answers by the team")
        ordering = ["id"]

    def __str__(self) -> str:
        return str(self.public_id)
