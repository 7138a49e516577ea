"""A flag in the hands of one member of staff: held for a while, decided once, or left for the next.

Who holds a flag and until when stands in its row. Each step is one guarded UPDATE by the database's clock, so two
people who press at once never hold the same flag and never decide it twice.
"""

import datetime
import itertools
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import User
from chat.errors import ChatError
from chat.models import Correction, Flag
from chat.models.flags import FlagQuerySet
from chat.moderation import corrections, flags, training
from chat.moderation.regression import Case
from chat.moderation.soundness import tidy
from compliance import audit
from inference.models import Rung

# So many flags are tried before "the next one" gives up: each was taken by somebody else in the same moment.
TRIED_AT_MOST = 10


class NotHeld(ChatError):
    """The flag is not (any more) in this person's hands, or not open: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A correction in one language, as staff wrote it."""

    language: str
    questions: tuple[str, ...]
    answer: str
    passage: str
    must_say: tuple[str, ...] = ()
    must_not_say: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """What staff decided. The finding says whether the flag is upheld; ``note`` is for the sender to read.

    ``corrections`` say the same in several languages. ``train`` takes the sender's question, with the first answer,
    into the training set.
    """

    finding: str
    note: str = ""
    corrections: tuple[Draft, ...] = ()
    train: bool = False

    @property
    def state(self) -> Flag.State:
        return Flag.State.UPHELD if self.finding in Flag.UPHOLDING else Flag.State.DISMISSED


def hold(flag: Flag, *, by: User) -> bool:
    """Take an open flag, or hold it for longer, and reread it. False when somebody else has it or it is not open."""
    until = Now() + datetime.timedelta(seconds=settings.FLAG_LOCK_S)
    row = Flag.objects.open().filter(pk=flag.pk)
    with transaction.atomic():
        held = bool(_held(row, by).update(locked_until=until))
        if not held:
            held = bool(_free(row).update(locked_by=by, locked_until=until))
            if held:
                audit.record("flag.held", actor=by, object_kind="flag", object_id=flag.public_id)
    flag.refresh_from_db()
    return held


def leave(flag: Flag, *, by: User) -> bool:
    """Let go of a flag without deciding. False when it was not held."""
    with transaction.atomic():
        left = bool(_held(Flag.objects.filter(pk=flag.pk), by).update(locked_by=None, locked_until=None))
        if left:
            audit.record("flag.left", actor=by, object_kind="flag", object_id=flag.public_id)
    return left


def hold_next(*, by: User, after: Flag | None = None) -> Flag | None:
    """Take the next flag of the queue that nobody else holds: the one behind ``after``, or the first. None for none."""
    queue = Flag.objects.queued().filter(_unheld() | Q(locked_by=by))
    rounds = [queue]
    if after is not None:
        queue = queue.exclude(pk=after.pk)
        rounds = [queue.filter(Q(weight__lt=after.weight) | Q(weight=after.weight, pk__gt=after.pk)), queue]
    for flag in itertools.chain.from_iterable(rows[:TRIED_AT_MOST] for rows in rounds):
        if hold(flag, by=by):
            return flag
    return None


@transaction.atomic
def decide(flag: Flag, decision: Decision, *, by: User) -> list[Correction]:
    """Decide a flag that ``by`` holds, and write what follows from it: all of it, or nothing.

    Raises NotHeld where it is decided, gone, or in other hands, CorrectionRefused and ExampleRefused where what was
    written does not do.
    """
    held = _held(Flag.objects.open().filter(pk=flag.pk), by)
    changed = held.update(
        state=decision.state,
        finding=decision.finding,
        note=decision.note,
        decided_at=Now(),
        decided_by=by,
        locked_by=None,
        locked_until=None,
    )
    if not changed:
        raise NotHeld
    flag.refresh_from_db()
    flags.shorten(flag)
    written = _follow(flag, decision, by)
    audit.record(
        f"flag.{decision.state}",
        actor=by,
        object_kind="flag",
        object_id=flag.public_id,
        before={"state": str(Flag.State.OPEN)},
        after={"state": str(decision.state), "finding": decision.finding, "noted": bool(decision.note)},
        corrections=len(written),
        trained=decision.train,
    )
    return written


def _follow(flag: Flag, decision: Decision, by: User) -> list[Correction]:
    """Write the corrections, given to readers at once where one person may, and take the question for training."""
    if decision.train:
        # First, because it locks the sender's examples: whoever withdraws the consent locks them before the audit log.
        first = decision.corrections[0]
        training.take(flag, answer=first.answer, passage=first.passage, by=by)
    written: list[Correction] = []
    for draft in decision.corrections:
        cases = [Case(one, Rung.VERIFIED, draft.must_say, draft.must_not_say) for one in tidy(draft.questions)]
        written.append(
            corrections.write(
                flag=flag,
                language=draft.language,
                questions=draft.questions,
                answer=draft.answer,
                passage=draft.passage,
                by=by,
                group=written[0].group if written else None,
                cases=cases,
            )
        )
    return written if settings.CORRECTIONS_NEED_TWO else [corrections.approve(each, by=by) for each in written]


def _held(rows: FlagQuerySet, by: User) -> FlagQuerySet:
    return rows.filter(locked_by=by, locked_until__gt=Now())


def _free(rows: FlagQuerySet) -> FlagQuerySet:
    return rows.filter(_unheld())


def _unheld() -> Q:
    return Q(locked_until=None) | Q(locked_until__lte=Now())
