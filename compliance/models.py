"""Records that nobody changes afterwards: consents, the audit log, evidence. The database refuses UPDATE and DELETE.

Beside them, for staff alone, what stands behind some of the evidence: who attested, what happened, who was taught.
"""

import uuid

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


class AttestingRole(models.TextChoices):
    """In which role somebody vouches for a statement. Public; the name is not."""

    RESPONSIBLE = "responsible", _("responsible for the site")
    DEVELOPER = "developer", _("developer")
    TRAINER = "trainer", _("trains or chooses the models")
    REVIEWER = "reviewer", _("reviews answers")
    DATA_PROTECTION = "data_protection", _("data protection")
    LEGAL = "legal", _("legal")


class WithdrawalReason(models.TextChoices):
    MADE_IN_ERROR = "made_in_error", _("It was made in error")
    NO_LONGER_TRUE = "no_longer_true", _("It is no longer true")
    REPLACED = "replaced", _("Somebody else attests it now")
    PERSON_LEFT = "person_left", _("The person has left")


class Attestation(models.Model):
    """A named person vouches for a statement (``compliance.statements``) about one release.

    The name and the salt are here alone; the evidence holds the role and a digest. Whoever leaves takes both along:
    the digest then says nothing.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    statement = models.SlugField(_("statement"), max_length=60)
    statement_sha256 = models.CharField(_("sha256 of the statement"), max_length=64)
    person = models.UUIDField(_("person"), db_index=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    role = models.CharField(_("role"), max_length=20, choices=AttestingRole.choices)
    salt = models.CharField(max_length=64, blank=True, editable=False)
    release = models.CharField(_("release"), max_length=40)
    signed_off = models.CharField(_("record of the release"), max_length=90)
    evidence = models.CharField(_("evidence"), max_length=90)
    attested_at = models.DateTimeField(_("attested"))
    expires_at = models.DateTimeField(_("expires"))
    withdrawn_at = models.DateTimeField(_("withdrawn"), null=True)
    withdrawal_reason = models.CharField(
        _("reason of the withdrawal"), max_length=20, choices=WithdrawalReason.choices, blank=True
    )

    class Meta:
        verbose_name = _("attestation")
        verbose_name_plural = _("attestations")
        ordering = ["-id"]
        indexes = [models.Index(fields=["statement", "-id"], name="attestation_latest")]

    def __str__(self) -> str:
        return f"{self.statement} {self.role}"


class Incident(models.Model):
    """Something went wrong that somebody may have to be told of: from the first look to what was learned.

    ``summary_en`` and ``summary_fr`` are written by staff for everybody to read; ``notes`` stay here.
    """

    class Kind(models.TextChoices):
        PERSONAL_DATA = "personal_data", _("breach of personal data")
        SECURITY = "security", _("security")
        HARMFUL_ANSWER = "harmful_answer", _("harmful answer")
        WRONG_ANSWER = "wrong_answer", _("wrong answer")
        OUTAGE = "outage", _("outage")
        MISUSE = "misuse", _("misuse")
        OTHER = "other", _("other")

    class Severity(models.TextChoices):
        LOW = "low", _("low")
        MEDIUM = "medium", _("medium")
        HIGH = "high", _("high")
        CRITICAL = "critical", _("critical")

    class Source(models.TextChoices):
        FLAG = "flag", _("a flag")
        CONTACT = "contact", _("a message to the team")
        STAFF = "staff", _("staff")
        ALARM = "alarm", _("an alarm")
        RED_TEAM = "red_team", _("a red-team run")
        OUTSIDE = "outside", _("somebody outside")

    class State(models.TextChoices):
        OPENED = "opened", _("opened")
        TRIAGED = "triaged", _("triaged")
        CONTAINED = "contained", _("contained")
        NOTIFIED = "notified", _("notified")
        CLOSED = "closed", _("closed")

    class Outcome(models.TextChoices):
        RESOLVED = "resolved", _("resolved")
        NO_RISK = "no_risk", _("resolved; unlikely to be a risk to people, so not notified")
        FALSE_ALARM = "false_alarm", _("false alarm")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    source = models.CharField(_("noticed by"), max_length=10, choices=Source.choices)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.OPENED)
    opened_at = models.DateTimeField(_("opened"))
    # When the authority must have been told of a breach of personal data; null for other kinds.
    deadline = models.DateTimeField(_("to be notified by"), null=True)
    triaged_at = models.DateTimeField(_("triaged at"), null=True)
    contained_at = models.DateTimeField(_("contained at"), null=True)
    notified_at = models.DateTimeField(_("notified at"), null=True)
    closed_at = models.DateTimeField(_("closed at"), null=True)
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome.choices, blank=True)
    summary_en = models.TextField(_("public summary, English"), blank=True, max_length=1000)
    summary_fr = models.TextField(_("public summary, French"), blank=True, max_length=1000)
    notes = models.TextField(_("notes for staff"), blank=True)

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.get_state_display()}"


class LiteracySession(models.Model):
    """A session in which people learned what the system can do, how it fails and how to stop it. Names stay here."""

    class Audience(models.TextChoices):
        OPERATORS = "operators", _("people who run the site")
        REVIEWERS = "reviewers", _("people who review answers")
        EVERYBODY = "everybody", _("everybody on the staff")
        CUSTOMERS = "customers", _("customers")

    held_on = models.DateField(_("held on"))
    audience = models.CharField(_("for"), max_length=20, choices=Audience.choices)
    content_version = models.SlugField(_("version of the content"), max_length=40)
    attendance = models.PositiveSmallIntegerField(_("people who took part"))
    owner = models.CharField(_("held by"), max_length=120)
    salt = models.CharField(max_length=64, editable=False)
    refresh_by = models.DateField(_("to be repeated by"))
    evidence = models.CharField(_("evidence"), max_length=90, editable=False)

    class Meta:
        verbose_name = _("literacy session")
        verbose_name_plural = _("literacy sessions")
        ordering = ["-held_on", "-id"]

    def __str__(self) -> str:
        return f"{self.held_on} {self.audience}"
