"""People, known by their e-mail address and, outside this database, by a random id; and the work that is done for them.

Rows are jobs: an export, a closure or a mail is a row whose state says what is still to do, so a worker that dies
loses nothing and doing it twice is harmless.
"""

import datetime
import secrets
import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.addresses import canonical

MAX_TRIES = 3


class UserManager(BaseUserManager["User"]):
    """Users are made and found by the one spelling of their address."""

    def with_address(self, text: str) -> models.QuerySet["User"]:
        """Return the person with an address, or nobody; also nobody for what is no address.

        Never by ``iexact``: PostgreSQL compares in capitals, where letters of other alphabets become ours.
        """
        try:
            address = canonical(text)
        except ValidationError:
            return self.none()
        return self.alias(lowered=Lower("email")).filter(lowered=address)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.with_address(username or "").get()

    def create_user(self, email: str, **fields: object) -> "User":
        """Create a person without a password: sign-in is by code, never by a secret we would keep.

        Raises ValidationError for what is no address, or one that somebody has.
        """
        user = self.model(email=canonical(email), **fields)
        user.set_unusable_password()
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user


def new_salt() -> str:
    """Return a random salt for digests about one person in the audit log; it dies with the row."""
    return secrets.token_urlsafe(24)


class User(AbstractBaseUser, PermissionsMixin):
    """One person. ``public_id`` is the only id that leaves this database."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(_("e-mail address"), max_length=254, unique=True)
    language = models.CharField(_("language"), max_length=10, default="en")
    is_staff = models.BooleanField(_("staff"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    date_joined = models.DateTimeField(_("joined"), default=timezone.now)
    audit_salt = models.CharField(max_length=40, default=new_salt, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_address")]

    def __str__(self) -> str:
        return self.email


class JobQuerySet(models.QuerySet[Any]):
    """Rows that are work: each has ``state``, ``tries`` and ``due_at``, by the database's clock."""

    def due(self) -> "JobQuerySet":
        return self.filter(state=self.model.OPEN, due_at__lte=Now()).order_by("due_at")

    def claim(self, pk: int) -> bool:
        """Take one job for ``JOB_LEASE_S``; False when it is done, not due, or somebody else's.

        The try is counted before the work, so that work which kills its worker counts too, and comes up again when
        the lease is over.
        """
        lease = datetime.timedelta(seconds=settings.JOB_LEASE_S)
        claimable = self.due().filter(pk=pk, **{f"{self.model.COUNTERS[0]}__lt": MAX_TRIES}).order_by()
        counted = {name: F(name) + 1 for name in self.model.COUNTERS}
        return bool(claimable.update(**counted, due_at=Now() + lease))

    def give_up(self) -> int:
        """Mark as failed what was tried three times and came to no end. Returns how many."""
        spent = self.due().filter(**{f"{self.model.COUNTERS[0]}__gte": MAX_TRIES}).order_by()
        return spent.update(state="failed")


class QueuedMail(models.Model):
    """A mail that is still to be sent: which template, about which object. Rendered when it is sent.

    Without a ``user`` it goes to whom its template says: to the team, or to an address that a person on the team
    answers by hand. No address is kept here.

    ``crashes`` counts the tries in a row that ended neither in a mail nor with a mail server that was away: a template
    that raises, a worker that was killed.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        SENT = "sent", _("sent")
        VOID = "void", _("no longer needed")
        FAILED = "failed", _("given up")

    OPEN = State.PENDING
    COUNTERS = ("crashes", "tries")  # the first is the one that MAX_TRIES bounds

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="mails", verbose_name=_("user")
    )
    template = models.SlugField(_("template"), max_length=40)
    object_id = models.CharField(_("object"), max_length=60, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    crashes = models.PositiveSmallIntegerField(_("tries that broke off"), default=0)
    due_at = models.DateTimeField(_("due"), db_default=Now())
    created_at = models.DateTimeField(_("created"), db_default=Now())
    problem = models.CharField(_("last problem"), max_length=60, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("queued mail")
        verbose_name_plural = _("queued mail")
        ordering = ["due_at"]
        indexes = [models.Index(fields=["state", "due_at"], name="mail_due")]

    def __str__(self) -> str:
        return f"{self.template} {self.state}"


class DataExport(models.Model):
    """Everything we hold about one person as a ZIP file: made by the worker, fetched once, gone after a day."""

    class State(models.TextChoices):
        REQUESTED = "requested", _("requested")
        READY = "ready", _("ready")
        FETCHED = "fetched", _("fetched")
        EXPIRED = "expired", _("expired")
        FAILED = "failed", _("failed")

    OPEN = State.REQUESTED
    COUNTERS = ("tries",)

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports", verbose_name=_("user"))
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.REQUESTED)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    due_at = models.DateTimeField(_("due"), db_default=Now())
    requested_at = models.DateTimeField(_("requested"), db_default=Now())
    ready_at = models.DateTimeField(_("ready"), null=True)
    expires_at = models.DateTimeField(_("expires"), null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("data export")
        verbose_name_plural = _("data exports")
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(state__in=["requested", "ready"]), name="one_open_export"
            )
        ]

    def __str__(self) -> str:
        return f"{self.public_id} {self.state}"


class AccountClosure(models.Model):
    """The erasure of one person: locked at once, done by the worker. The row stays, with counts and without a name."""

    class State(models.TextChoices):
        REQUESTED = "requested", _("requested")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    OPEN = State.REQUESTED
    COUNTERS = ("tries",)

    subject = models.UUIDField(_("subject"), unique=True)
    user = models.OneToOneField(User, on_delete=models.SET_NULL, null=True, related_name="closure")
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.REQUESTED)
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    due_at = models.DateTimeField(_("due"), db_default=Now())
    requested_at = models.DateTimeField(_("requested"), db_default=Now())
    told_at = models.DateTimeField(_("last mail sent"), null=True)
    done_at = models.DateTimeField(_("done"), null=True)
    erased = models.JSONField(_("counts of what was erased"), default=dict)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("account closure")
        verbose_name_plural = _("account closures")
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return f"{self.subject} {self.state}"


class UserSession(models.Model):
    """One browser in which a person is signed in, so that they can see it and end it.

    Of the browser a short name is kept, of its address nothing. The session itself is Django's row of the same key.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions", verbose_name=_("user"))
    session_key = models.CharField(_("session key"), max_length=40, unique=True, editable=False)
    browser = models.CharField(_("browser"), max_length=40, blank=True)
    started_at = models.DateTimeField(_("started"), db_default=Now())
    seen_at = models.DateTimeField(_("last seen"), db_default=Now())

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["-seen_at"]

    def __str__(self) -> str:
        return str(self.public_id)


class SignInCode(models.Model):
    """A code that was sent to an address: who may try it, how often it was tried, whether it was used.

    Rows stay for a day because they are what is counted. The address itself goes as soon as the code is over. A row
    with neither an address nor ``sent_at`` is of a mail that did not go out.
    """

    class Purpose(models.TextChoices):
        ENTER = "enter", _("sign in")
        PROOF = "proof", _("fresh proof")

    MAX_COMPARED = 3

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose.choices)
    email = models.CharField(_("e-mail address"), max_length=254, blank=True)
    bucket = models.CharField(_("bucket"), max_length=64)
    address_name = models.CharField(_("name of the client address"), max_length=24)
    code_digest = models.CharField(_("digest of the code"), max_length=64)
    issued_at = models.DateTimeField(_("issued"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    sent_at = models.DateTimeField(_("sent"), null=True)
    used_at = models.DateTimeField(_("used"), null=True)
    compared = models.PositiveSmallIntegerField(_("codes compared"), default=0)

    class Meta:
        verbose_name = _("sign-in code")
        verbose_name_plural = _("sign-in codes")
        indexes = [
            models.Index(fields=["bucket", "issued_at"], name="code_bucket"),
            models.Index(fields=["address_name", "issued_at"], name="code_address"),
            models.Index(fields=["issued_at"], name="code_issued"),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(compared__lte=3), name="at_most_three_codes_compared"),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class FailedSignIn(models.Model):
    """One wrong code. Counted for 24 hours by bucket, by the day's name of the client's address, and altogether.

    ``at_account``: somebody has an account with the address it was for. Only these are counted altogether.
    """

    bucket = models.CharField(_("bucket"), max_length=64)
    address_name = models.CharField(_("name of the client address"), max_length=24)
    at_account = models.BooleanField(_("at an account"), default=False)
    at = models.DateTimeField(_("time"), db_default=Now())

    class Meta:
        verbose_name = _("failed sign-in")
        verbose_name_plural = _("failed sign-ins")
        indexes = [
            models.Index(fields=["bucket", "at"], name="failed_bucket"),
            models.Index(fields=["address_name", "at"], name="failed_address"),
            models.Index(fields=["at"], name="failed_at"),
        ]

    def __str__(self) -> str:
        return self.at.isoformat()


class KnownBrowser(models.Model):
    """A browser in which somebody has signed in before, known by a random number in a cookie of its own."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_browsers", verbose_name=_("user"))
    digest = models.CharField(_("digest"), max_length=64)
    first_seen_at = models.DateTimeField(_("first seen"), db_default=Now())
    last_seen_at = models.DateTimeField(_("last seen"), db_default=Now())

    class Meta:
        verbose_name = _("known browser")
        verbose_name_plural = _("known browsers")
        constraints = [models.UniqueConstraint(fields=["user", "digest"], name="one_row_per_browser")]

    def __str__(self) -> str:
        return self.last_seen_at.isoformat()
