"""Training examples: what senders consented to, masked, with the answer that staff wrote. They leave with the consent.

A sender's question is theirs: it goes into the set only while a consent to just that holds, and never as it stands,
patterns of personal data are masked. What pattern nobody can write, a name, the person who adds it must see.
"""

import hashlib
import uuid
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.dispatch import Signal
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import export
from accounts.models import User
from accounts.signals import account_closing
from chat.models import Flag, TrainingExample, WithdrawnExample
from chat.moderation.personal_data import found, masked
from chat.moderation.soundness import Problem, passage_of
from compliance import audit
from compliance.consents import given
from compliance.models import ConsentEvent, Purpose

# sender=None: examples left the set and this is committed. Who made a file of it takes them out there too.
examples_left = Signal()

LOCKS = 7305  # the seed of advisory locks on one person's examples; any number nobody else in this database uses

# Why examples left the set.
WITHDRAWN = "withdrawn"  # the sender took the consent back
CLOSED = "account_closed"
DELETED = "flag_deleted"  # the sender deleted what they had flagged
STAFF = "by_staff"

# What the export calls its parts where people read them.
LABELS: dict[str, str | Promise] = {
    "question": gettext_lazy("Question"),
    "answer": gettext_lazy("Answer"),
    "language": gettext_lazy("Language"),
    "created_at": gettext_lazy("Added"),
}


def register() -> None:
    """Tell the registries. Called once, when the apps are ready."""
    export.part("training-examples", exported, title=gettext_lazy("Training examples"), labels=LABELS)
    account_closing.connect(on_account_closing, dispatch_uid="chat.training")


class ExampleRefused(Exception):
    """Nothing was added to the training set; ``problems`` say why, in sentences."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(field)
        self.problems = (Problem(field, text),)


def consent_of(flag: Flag) -> ConsentEvent | None:
    """Return the sender's consent to training with this flag that holds now; None without it."""
    return given(flag.training_subject, Purpose.TRAIN_ON_FLAGS) if flag.training_subject else None


@transaction.atomic
def take(flag: Flag, *, answer: str, passage: str, by: User) -> TrainingExample:
    """Add the question of a flag, masked, with an answer that staff wrote. Raises ExampleRefused.

    ``passage`` is the id of the one that proves the answer, or empty. What the database holds of the flag counts, not
    what ``flag`` brings.
    """
    rows = Flag.objects.with_texts().select_for_update(of=("self",), no_key=True)
    row = rows.filter(pk=flag.pk).first()
    if row is None:
        raise ExampleRefused("flag", _("The texts of this flag are gone."))
    flag = row
    if flag.training_subject is None:
        raise ExampleRefused("flag", _("The sender did not consent to training with it."))
    lock(flag.training_subject)
    consent = consent_of(flag)
    if consent is None:
        raise ExampleRefused("flag", _("The sender did not consent to training with it."))
    if not answer.strip():
        raise ExampleRefused("answer", _("Write the answer."))
    if found(answer):
        raise ExampleRefused("answer", _("The answer holds what looks like somebody’s data."))
    if passage and passage_of(passage, flag.language) is None:
        raise ExampleRefused("passage", _("Choose the passage in this language that proves the answer."))
    try:
        with transaction.atomic():
            example = TrainingExample.objects.create(
                flag=flag.public_id,
                subject=flag.training_subject,
                consent=consent,
                language=flag.language,
                question=masked(flag.question),
                answer=answer.strip(),
                passage=passage,
                provenance=_provenance(flag, consent),
                author=by,
            )
    except IntegrityError as error:
        raise ExampleRefused("flag", _("This flag is in the training set already.")) from error
    audit.record(
        "training-example.added",
        actor=by,
        object_kind="training_example",
        object_id=example.public_id,
        flag=str(flag.public_id),
        consent=consent.pk,
        language=flag.language,
        masked=example.question != flag.question,
    )
    return example


@transaction.atomic
def forget(subject: uuid.UUID, *, reason: str) -> int:
    """Delete every example of a person from the set, and return how many there were; ``reason`` is one of the above.

    Whoever withdraws a consent calls this in the transaction that records it: an example that is being added meanwhile
    is either seen here, or sees the withdrawal.
    """
    lock(subject)
    count = _forget(TrainingExample.objects.filter(subject=subject), reason=reason)
    _say(count, actor=f"user:{subject}", reason=reason)
    return count


def forget_flag(flag: Flag) -> int:
    """Delete the example that was made of a flag. Call it where the flag is locked; the caller's log entry says so."""
    made = TrainingExample.objects.filter(flag=flag.public_id)
    subject = made.values_list("subject", flat=True).first()
    if subject is None:
        return 0
    lock(subject)
    return _forget(made, reason=DELETED)


@transaction.atomic
def withdraw(example: TrainingExample, *, by: User) -> int:
    """Delete one example, because staff found that it does not belong into the set. Returns 0 where it is gone."""
    lock(example.subject)
    count = _forget(TrainingExample.objects.filter(pk=example.pk), reason=STAFF)
    _say(count, actor=by, reason=STAFF)
    return count


def on_account_closing(sender: type[User], *, user: User, **_kwargs: Any) -> dict[str, int]:
    """Receive ``accounts.signals.account_closing``: a person's examples leave the set with the account.

    The entry about the closing counts them: one of our own here would hold the log while the account's rows are locked.
    """
    lock(user.public_id)
    return {"training_examples": _forget(TrainingExample.objects.filter(subject=user.public_id), reason=CLOSED)}


def lock(subject: uuid.UUID) -> None:
    """Make what this transaction does about a person's examples follow what others do about them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", [str(subject), LOCKS])


def exported(user: User) -> list[dict[str, Any]]:
    """Return a person's examples for the export of their data."""
    return [
        {
            "question": each.question,
            "answer": each.answer,
            "language": each.language,
            "created_at": each.created_at,
        }
        for each in TrainingExample.objects.filter(subject=user.public_id).order_by("id")
    ]


def _forget(examples: QuerySet[TrainingExample], *, reason: str) -> int:
    rows = list(examples.order_by("id").values_list("public_id", "subject"))
    if not rows:
        return 0
    ids = [id for id, _subject in rows]
    export.start_again(User.objects.filter(public_id__in={subject for _id, subject in rows}))
    WithdrawnExample.objects.bulk_create([WithdrawnExample(example=id, reason=reason) for id in ids])
    examples.delete()
    transaction.on_commit(lambda: examples_left.send_robust(sender=None))
    return len(ids)


def _say(count: int, *, actor: User | str, reason: str) -> None:
    if count:
        audit.record("training-examples.deleted", actor=actor, object_kind="training_set", count=count, reason=reason)


def _provenance(flag: Flag, consent: ConsentEvent) -> dict[str, Any]:
    """Return where an example comes from: ids, digests and times, nobody's words."""
    return {
        "flag": str(flag.public_id),
        "seal_answer": hashlib.sha256(str(flag.answer).encode()).hexdigest() if flag.answer else None,
        "finding": flag.finding,
        "decided_at": flag.decided_at.isoformat() if flag.decided_at else None,
        "notice": flag.notice_version,
        "consent_event": consent.pk,
        "consent_notice": consent.notice_version,
    }
