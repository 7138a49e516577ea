"""Stored conversations: only with consent, only for ``RETENTION_DAYS``, and invisible the moment they expire.

Every read goes through ``objects``, which leaves out what has expired by the database's own clock; ``chat.retention``
alone uses ``everything``, to delete.
"""

import datetime
import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce, Left, Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from inference.models import Rung

NAME_CHARS = 120


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def of(self, user: User) -> "ConversationQuerySet":
        return self.filter(user=user)

    def named(self) -> "ConversationQuerySet":
        """Add ``name``, the title or else how the oldest question that is left begins, and ``left``, the time to go."""
        questions = Message.objects.filter(conversation=models.OuterRef("pk"), role=Message.Role.USER).order_by("id")
        oldest = models.Subquery(questions.values(start=Left("text", NAME_CHARS))[:1])
        own = models.When(~models.Q(title=""), title_expires_at__gt=Now(), then=models.F("title"))
        return self.annotate(
            name=models.Case(own, default=Coalesce(oldest, models.Value("")), output_field=models.CharField()),
            left=models.ExpressionWrapper(models.F("expires_at") - Now(), output_field=models.DurationField()),
        )


class VisibleConversations(models.Manager["Conversation"]):
    """Conversations in which something has not expired."""

    def get_queryset(self) -> ConversationQuerySet:
        return ConversationQuerySet(self.model, using=self._db).filter(expires_at__gt=Now())


class Conversation(models.Model):
    """What one person asked and was answered. ``expires_at`` is that of its newest message."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    # Protected: whoever deletes a person has ``chat.retention`` delete what they wrote, and count it, before.
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="conversations", verbose_name=_("user"))
    # A name its owner gave it, gone like a message; without one the oldest question that is left is shown.
    title = models.CharField(_("title"), max_length=NAME_CHARS, blank=True)
    title_expires_at = models.DateTimeField(_("title expires"), null=True)
    language = models.CharField(_("language"), max_length=10)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    updated_at = models.DateTimeField(_("updated"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"), db_index=True)

    objects = VisibleConversations.from_queryset(ConversationQuerySet)()
    everything = models.Manager.from_queryset(ConversationQuerySet)()

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        ordering = ["-updated_at"]
        base_manager_name = "everything"  # a deletion that cascades must see what has expired
        default_manager_name = "objects"

    def __str__(self) -> str:
        return str(self.public_id)


class VisibleMessages(models.Manager["Message"]):
    """Messages that have not expired."""

    def get_queryset(self) -> models.QuerySet["Message"]:
        return super().get_queryset().filter(expires_at__gt=Now())


class Message(models.Model):
    """One question, or one version of an answer to it. ``ask`` ties them together; ``upgrades`` names the version
    that a later one was written beside."""

    class Role(models.TextChoices):
        USER = "user", _("question")
        ASSISTANT = "assistant", _("answer")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages", verbose_name=_("conversation")
    )
    ask = models.UUIDField(_("ask"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices)
    text = models.TextField(_("text"))
    language = models.CharField(_("language"), max_length=10)
    rung = models.CharField(_("rung"), max_length=10, choices=Rung.choices, blank=True)
    finish_reason = models.CharField(_("finish reason"), max_length=10, blank=True)
    sources = models.JSONField(_("sources"), default=list)
    receipt = models.JSONField(_("receipt"), default=dict)
    seal = models.TextField(_("seal"), blank=True)
    upgrades = models.UUIDField(_("version beside which it was written"), null=True)
    created_at = models.DateTimeField(_("created"), db_default=Now(), db_index=True)
    expires_at = models.DateTimeField(_("expires"), db_index=True)

    everything = models.Manager()
    objects = VisibleMessages()

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ["id"]
        base_manager_name = "everything"  # a deletion that cascades must see what has expired
        default_manager_name = "objects"
        constraints = [
            models.UniqueConstraint(fields=["ask"], condition=models.Q(role="user"), name="one_question_per_ask")
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class DeletedBatch(models.Model):
    """How much one transaction deleted. Written in that transaction, so a worker that is killed counts neither too much
    nor too little; gone once the evidence has it."""

    messages = models.PositiveIntegerField(_("messages"), default=0, db_default=0)
    conversations = models.PositiveIntegerField(_("conversations"), default=0, db_default=0)
    flags = models.PositiveIntegerField(_("texts of flags"), default=0, db_default=0)
    team_messages = models.PositiveIntegerField(_("messages to the team"), default=0, db_default=0)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("deleted batch")
        verbose_name_plural = _("deleted batches")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.messages} messages, {self.conversations} conversations"


def expiry() -> Any:
    """Return the moment at which what is written now expires, by the database's clock."""
    return Now() + datetime.timedelta(days=settings.RETENTION_DAYS)


class AskedQuestion(models.Model):
    """That a signed-in person asked something just now: their window of questions, which outlives Redis. No text."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["user", "at"], name="asked_by_person")]

    def __str__(self) -> str:
        return str(self.at)
