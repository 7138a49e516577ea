"""Models we offer, the backends that run them, and counts of what they answered."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Tier(models.TextChoices):
    SMALL = "small", _("small")
    LARGE = "large", _("large")


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

    name = models.SlugField(_("name"), max_length=40, unique=True)
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="backends", verbose_name=_("model"))
    runtime = models.CharField(_("runtime"), max_length=20)
    url = models.CharField(_("address"), max_length=300)
    enabled = models.BooleanField(_("switched on"), default=True)
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
