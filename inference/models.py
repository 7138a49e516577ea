"""Models we offer, the backends that run them, and counts of what they answered."""

import datetime
import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Tier(models.TextChoices):
    SMALL = "small", _("small")
    LARGE = "large", _("large")
    EMBED = "embed", _("embeddings")


class Hardware(models.TextChoices):
    CPU = "cpu", _("CPU")
    GPU = "gpu", _("GPU")


class Rung(models.TextChoices):
    """Where on the ladder an answer stands, cheapest first."""

    VERIFIED = "verified", _("verified")
    QUOTED = "quoted", _("quoted")
    SMALL = "small", _("small")
    LARGE = "large", _("large")
    NONE = "none", _("does not know")


class Model(models.Model):
    """A model under its public id. Written at start from the environment; staff switch and describe it."""

    public_id = models.SlugField(_("public id"), max_length=80, unique=True)
    name = models.CharField(_("name of the weights"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    tier = models.CharField(_("tier"), max_length=10, choices=Tier.choices)
    hardware = models.CharField(_("hardware it really runs on"), max_length=10, choices=Hardware.choices)
    languages = models.JSONField(_("languages it may write"), default=list)
    capabilities = models.JSONField(_("capabilities"), default=list, blank=True)
    context_tokens = models.PositiveIntegerField(_("context window in tokens"))
    max_output_tokens = models.PositiveIntegerField(_("cap on an answer in tokens"))
    weights_sha256 = models.CharField(_("sha256 of the weights"), max_length=64, blank=True)
    # Which key marks its words, by a name; the key itself is on the model's server alone.
    watermark_key = models.CharField(
        _("id of the watermark’s key"), max_length=40, blank=True, default="", db_default=""
    )
    enabled = models.BooleanField(_("switched on"), default=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["public_id"]

    def __str__(self) -> str:
        return self.public_id


class Backend(models.Model):
    """A server that runs one model. Its address and runtime come from the environment alone; its key stays there."""

    class State(models.TextChoices):
        UNKNOWN = "unknown", _("not asked yet")
        READY = "ready", _("ready")
        LOADING = "loading", _("loading")
        DOWN = "down", _("down")
        ASLEEP = "asleep", _("asleep")

    name = models.SlugField(_("name"), max_length=40, unique=True)
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="backends", verbose_name=_("model"))
    runtime = models.CharField(_("runtime"), max_length=20)
    url = models.CharField(_("address"), max_length=300)
    enabled = models.BooleanField(_("switched on"), default=True)
    wake_enabled = models.BooleanField(
        _("may be woken"),
        default=True,
        help_text=_("Off: it is not woken again. What is awake goes to sleep when nobody uses it."),
    )
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.UNKNOWN)
    checked_at = models.DateTimeField(_("last asked"), null=True)

    class Meta:
        verbose_name = _("backend")
        verbose_name_plural = _("backends")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AnswerTally(models.Model):
    """Counts of answers by day, rung, tier, model and language. No text, no person, no time of day."""

    day = models.DateField(_("day"))
    rung = models.CharField(_("rung"), max_length=10, choices=Rung.choices)
    tier = models.CharField(_("tier"), max_length=10, blank=True)
    model = models.CharField(_("model"), max_length=80, blank=True)
    language = models.CharField(_("language"), max_length=10)
    answers = models.PositiveBigIntegerField(_("answers"), default=0)
    failures = models.PositiveBigIntegerField(_("failed answers"), default=0)
    prompt_tokens = models.PositiveBigIntegerField(_("prompt tokens"), default=0)
    completion_tokens = models.PositiveBigIntegerField(_("completion tokens"), default=0)
    duration_ms = models.PositiveBigIntegerField(_("duration in ms"), default=0)
    energy_mj = models.PositiveBigIntegerField(_("energy in mJ, middle estimate"), default=0)

    class Meta:
        verbose_name = _("answer tally")
        verbose_name_plural = _("answer tallies")
        ordering = ["-day", "rung"]
        constraints = [
            models.UniqueConstraint(fields=["day", "rung", "tier", "model", "language"], name="one_tally_per_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.rung} {self.language}"


class AskerClass(models.TextChoices):
    """Whose questions GPU time is spent on; what is kept for one class the others cannot drain."""

    PAYING = "paying", _("paying")
    SIGNED_IN = "signed_in", _("signed in")
    ANONYMOUS = "anonymous", _("anonymous")


class Wake(models.Model):
    """One time a sleeping backend was woken, from the request to the settled bill. The row is the job.

    requested -> waking -> ready -> sleeping -> asleep or failed; every one that began ends by way of *sleeping*, so
    that nothing is over before the backend was told. ``fence`` grows with each holder of the lease, over all wakes of
    a backend: an act in the name of an older one changes no row, and our own server refuses it.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", _("requested")
        WAKING = "waking", _("waking")
        READY = "ready", _("ready")
        SLEEPING = "sleeping", _("going to sleep")
        ASLEEP = "asleep", _("asleep")
        FAILED = "failed", _("failed")

    OPEN = (State.REQUESTED, State.WAKING, State.READY, State.SLEEPING)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    backend = models.SlugField(_("backend"), max_length=40)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.REQUESTED)
    asker_class = models.CharField(_("asked for by"), max_length=10, choices=AskerClass.choices)
    fence = models.PositiveBigIntegerField(_("fencing token"), default=0)
    holder = models.CharField(_("holder of the lease"), max_length=80, blank=True)
    heartbeat_at = models.DateTimeField(_("last heartbeat"), null=True)
    requested_at = models.DateTimeField(_("requested"), db_default=Now())
    waking_at = models.DateTimeField(_("wake call sent"), null=True)
    ready_at = models.DateTimeField(_("ready"), null=True)
    used_at = models.DateTimeField(_("last used"), null=True)
    sleeping_at = models.DateTimeField(_("sleep call sent"), null=True)
    ended_at = models.DateTimeField(_("ended"), null=True)
    # Until then every hard limit is paid for in the ledger; past it the switch puts the backend to sleep.
    covered_until = models.DateTimeField(_("reserved until"), null=True)
    billed_s = models.PositiveIntegerField(_("billed seconds"), null=True)
    failure = models.CharField(_("failure"), max_length=60, blank=True)
    attempts = models.PositiveSmallIntegerField(_("wake calls"), default=0)
    attempted_at = models.DateTimeField(_("last wake call sent"), null=True)
    # What the backend lists: the model that was wanted, or one of LLM_MODEL_AUTH_FALLBACKS.
    model = models.CharField(_("model it runs"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("wake")
        verbose_name_plural = _("wakes")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["backend"],
                condition=models.Q(state__in=["requested", "waking", "ready", "sleeping"]),
                name="one_open_wake_per_backend",
            )
        ]

    def __str__(self) -> str:
        return f"{self.backend} {self.state}"


class GpuLedgerQuerySet(models.QuerySet["GpuLedgerEntry"]):
    def since(self, day: datetime.date) -> "GpuLedgerQuerySet":
        """Entries that count on ``day`` or later."""
        return self.filter(day__gte=day)

    def counting_for(self, scope: str, subject: uuid.UUID | None = None) -> "GpuLedgerQuerySet":
        """Entries that a cap of this scope counts; for ``person`` those of ``subject``."""
        if scope == GpuLimit.Scope.ALL:
            return self
        return self.filter(subject=subject) if scope == GpuLimit.Scope.PERSON else self.filter(asker_class=scope)


class GpuLedgerEntry(models.Model):
    """GPU seconds and money put on (+) or taken off (-) somebody's account for one wake. Only ever added to.

    What a wake holds, and what a window has used, is the sum of entries. ``day`` is the UTC day an entry counts in:
    what is given back counts where it was reserved, so a reservation that crosses midnight never leaves a hole.
    """

    class Kind(models.TextChoices):
        RESERVED = "reserved", _("reserved")
        EXTENDED = "extended", _("extended")
        HANDED_ON = "handed_on", _("handed on to the next asker")
        GIVEN_BACK = "given_back", _("given back")
        CORRECTED = "corrected", _("corrected")

    wake = models.ForeignKey(Wake, on_delete=models.PROTECT, related_name="ledger", verbose_name=_("wake"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    asker_class = models.CharField(_("for"), max_length=10, choices=AskerClass.choices)
    # The public id of a person; erasing an account sets it to null, the seconds stay.
    subject = models.UUIDField(_("person"), null=True, db_index=True)
    seconds = models.IntegerField(_("GPU seconds"))
    microusd = models.BigIntegerField(_("millionths of a US dollar"))
    day = models.DateField(_("day it counts in (UTC)"), db_index=True)
    at = models.DateTimeField(_("at"), db_default=Now())

    objects = GpuLedgerQuerySet.as_manager()

    class Meta:
        verbose_name = _("GPU ledger entry")
        verbose_name_plural = _("GPU ledger")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.seconds} s"

    def counts_for(self, scope: str, subject: uuid.UUID | None = None) -> bool:
        """Whether a cap of this scope counts the entry (``counting_for`` in memory)."""
        if scope == GpuLimit.Scope.ALL:
            return True
        return self.subject == subject if scope == GpuLimit.Scope.PERSON else self.asker_class == scope


class GpuLimit(models.Model):
    """A cap on GPU seconds and money in a UTC day or month. Changed in the admin, with a reason, in the audit log."""

    class Scope(models.TextChoices):
        ALL = "all", _("everybody together")
        PAYING = "paying", _("paying customers together")
        SIGNED_IN = "signed_in", _("signed-in people together")
        ANONYMOUS = "anonymous", _("visitors together")
        PERSON = "person", _("each person")

    class Window(models.TextChoices):
        DAY = "day", _("day")
        MONTH = "month", _("month")

    scope = models.CharField(_("for"), max_length=10, choices=Scope.choices)
    window = models.CharField(_("in a"), max_length=5, choices=Window.choices)
    seconds = models.PositiveIntegerField(_("GPU seconds"))
    usd_cents = models.PositiveIntegerField(_("US cents"))
    # Without it the row follows the environment; from the first edit on it stays as staff left it.
    edited_at = models.DateTimeField(_("edited by staff"), null=True, editable=False)

    class Meta:
        verbose_name = _("GPU limit")
        verbose_name_plural = _("GPU limits")
        ordering = ["scope", "window"]
        constraints = [models.UniqueConstraint(fields=["scope", "window"], name="one_limit_per_window")]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} / {self.get_window_display()}"
