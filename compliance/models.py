"""Records that nobody changes afterwards: consents, the audit log, evidence. The database refuses UPDATE and DELETE."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Purpose(models.TextChoices):
    """What a person may consent to, each on its own."""

    KEEP_CHATS = "keep_chats", _("Keep my chats for 7 days")
    TRAIN_ON_FLAGS = "train_on_flags", _("Train with what I flag")


class ConsentEvent(models.Model):
    """A person gave or withdrew one consent. ``subject`` is their public id; without the account it names nobody.

    ``wording`` is the sentence beside the box and ``notice_sha256`` the digest of the notice it linked to, both in
    ``language``: what a person agreed to can be shown years later (GDPR article 7(1)).
    """

    class Action(models.TextChoices):
        GIVEN = "given", _("given")
        WITHDRAWN = "withdrawn", _("withdrawn")

    subject = models.UUIDField(_("subject"), db_index=True)
    purpose = models.CharField(_("purpose"), max_length=30, choices=Purpose.choices)
    action = models.CharField(_("action"), max_length=10, choices=Action.choices)
    notice_version = models.CharField(_("version of the notice"), max_length=20)
    notice_sha256 = models.CharField(_("sha256 of the notice"), max_length=64)
    wording = models.TextField(_("words beside the box"))
    language = models.CharField(_("language"), max_length=10)
    channel = models.CharField(_("where"), max_length=20)
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("consent event")
        verbose_name_plural = _("consent events")
        ordering = ["id"]
        indexes = [models.Index(fields=["subject", "purpose", "-id"], name="consent_latest")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.action} {self.at:%Y-%m-%d}"


class ChainedRecord(models.Model):
    """A record whose sha256 covers its content and the sha256 of the one before (``compliance.chain``)."""

    number = models.PositiveBigIntegerField(_("number"), unique=True)
    at = models.DateTimeField(_("at"))
    previous_sha256 = models.CharField(_("sha256 before"), max_length=64)
    sha256 = models.CharField(_("sha256"), max_length=64, unique=True)

    class Meta:
        abstract = True
        ordering = ["number"]


class AuditEntry(ChainedRecord):
    """Who did what to which object. Ids, allow-listed values and salted digests; never text, never an address."""

    actor = models.CharField(_("actor"), max_length=60)
    action = models.CharField(_("action"), max_length=60)
    object_kind = models.CharField(_("kind of object"), max_length=40)
    object_id = models.CharField(_("object"), max_length=60, blank=True)
    changes = models.JSONField(_("changes"), default=dict, blank=True)

    class Meta(ChainedRecord.Meta):
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        indexes = [
            models.Index(fields=["object_kind", "object_id"], name="audit_object"),
            models.Index(fields=["actor"], name="audit_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.action}"


class EvidenceRecord(ChainedRecord):
    """Something we can show later: a count of deletions, a check of a chain, a result of a gate. Public."""

    kind = models.CharField(_("kind"), max_length=40)
    release = models.CharField(_("release"), max_length=40, blank=True)
    body = models.JSONField(_("content"), default=dict)

    class Meta(ChainedRecord.Meta):
        verbose_name = _("evidence record")
        verbose_name_plural = _("evidence records")
        indexes = [models.Index(fields=["kind", "-number"], name="evidence_latest")]

    def __str__(self) -> str:
        return f"{self.number} {self.kind}"
