"""The day's facts on the first page of the admin: what is spent, what waits, what failed, each with its list.

Every fact is looked at by itself. A part that is away makes one fact unreadable and leaves the page whole.
"""

import datetime
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from django.core.cache import cache
from django.db import models, transaction
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import AccountClosure, DataExport, QueuedMail, User
from billing.alarms import unsettled_since
from billing.models import MeterSend, Quota, StripeEvent, UsageRecord
from chat import retention
from chat.models import Correction, Flag, TeamMessage
from chat.moderation import figures
from compliance import heads
from compliance.models import EvidenceRecord
from inference import budget_state, registry, wake
from inference.budget_state import BudgetState, Level, WindowState
from inference.engine import engine
from inference.models import Backend, GpuLimit, Wake
from siteproject.tasks import HEARTBEAT_KEY

logger = logging.getLogger(__name__)
WORKER_QUIET_S = 30
FLAG_DAYS = 30
FAILED_WAKES_KEPT = datetime.timedelta(days=7)
MICROUSD = 1_000_000


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing of the day. ``list_of`` is the model whose list it leads to, ``query`` what that list is cut to.

    ``meter`` is a share from 0 to 1 of something bounded; ``urgent`` asks for somebody.
    """

    title: str | Promise
    words: str
    detail: str = ""
    meter: float | None = None
    urgent: bool = False
    list_of: type[models.Model] | None = None
    query: str = ""
    path: str = ""


Look = Callable[[], Iterator[Fact]]


def today(user: User) -> list[Fact]:
    """Return the facts of the day for one member of staff, links only to lists that they may see."""
    return [_linked(fact, user) for title, look in LOOKS for fact in _read(title, look)]


def _read(title: str | Promise, look: Look) -> list[Fact]:
    try:
        with transaction.atomic():  # so that one failed query does not spoil the next look
            return list(look())
    except Exception as error:
        logger.warning("a fact of the day was not read (%s)", type(error).__name__)
        return [Fact(title, _("This could not be read. The log says why."), urgent=True)]


def _linked(fact: Fact, user: User) -> Fact:
    if fact.list_of is None:
        return fact
    label = fact.list_of._meta.label_lower.replace(".", "_")
    app, name = fact.list_of._meta.label_lower.split(".")
    try:
        path = reverse(f"admin:{label}_changelist")
    except NoReverseMatch:  # this list is not in the admin
        return fact
    allowed = user.has_perm(f"{app}.view_{name}")
    return replace(fact, path=f"{path}?{fact.query}" if fact.query else path) if allowed else fact


def _gpu() -> Iterator[Fact]:
    state = budget_state.read()
    titles = {
        GpuLimit.Window.DAY: _("GPU budget today (UTC)"),
        GpuLimit.Window.MONTH: _("GPU budget this month (UTC)"),
    }
    for window in state.windows:
        yield Fact(
            titles[GpuLimit.Window(window.window)],
            _budget_words(window),
            _budget_detail(state, window),
            meter=min(1.0, window.taken_share),
            urgent=state.is_stopped and state.window == window.window,
            list_of=GpuLimit,
        )


def _budget_words(window: WindowState) -> str:
    return _("%(used)s s used, %(reserved)s s reserved, of %(limit)s s") % {
        "used": _number(window.used.seconds),
        "reserved": _number(window.reserved.seconds),
        "limit": _number(window.limit.seconds),
    }


def _budget_detail(state: BudgetState, window: WindowState) -> str:
    money = _("%(taken)s of %(limit)s US dollars.") % {
        "taken": _number(window.taken.microusd / MICROUSD, 2),
        "limit": _number(window.limit.microusd / MICROUSD, 2),
    }
    if state.window != window.window:
        return money
    told = {
        Level.TIGHT: _("Tight: answers are shorter, paying people come first."),
        Level.STOP: _("Stopped: no further answer of the large model fits; the CPU answers."),
    }
    return f"{money} {told.get(state.level, '')}".strip()


def _tiers() -> Iterator[Fact]:
    served = {one.backend: one for one in registry.declared()}
    for row in Backend.objects.select_related("model"):
        on = row.enabled and row.model.enabled
        state = _state_words(row) if on else _("switched off")
        detail = _("On: %(hardware)s.") % {"hardware": row.model.get_hardware_display()}
        if row.name in served:
            queue = engine.queue(served[row.name])
            detail += " " + _("%(running)d of %(slots)d places taken, %(waiting)d waiting in this process.") % {
                "running": queue.running,
                "slots": queue.slots,
                "waiting": queue.waiting,
            }
        urgent = on and row.state == Backend.State.DOWN
        yield Fact(row.model.public_id, state, detail, urgent=urgent, list_of=Backend)


def _state_words(row: Backend) -> str:
    """Return a woken backend's state by its wake, which knows more than the last probe."""
    last = wake.status(row.name)
    if last.state in Wake.OPEN:
        seconds = {"state": Wake.State(last.state).label, "elapsed": round(last.elapsed_s)}
        return _("%(state)s, %(elapsed)d s after it was asked for") % seconds
    state = row.get_state_display()
    return state if row.wake_enabled else _("%(state)s, is not woken") % {"state": state}


def _chats() -> Iterator[Fact]:
    age = retention.oldest()
    overdue = retention.overdue()
    words = _("%(age)s old") % {"age": _age(age)} if age is not None else _("nothing is stored")
    detail = _("Something is stored that should have been deleted for an hour.") if overdue else ""
    yield Fact(
        _("Oldest stored chat"),
        words,
        detail,
        urgent=overdue,
        list_of=EvidenceRecord,
        query=f"kind__exact={retention.KIND}",
    )


def _flags() -> Iterator[Fact]:
    seen = figures.figures(FLAG_DAYS)
    lapsing = figures.lapsing_within(datetime.timedelta(days=1))
    words = ngettext("%(n)d open", "%(n)d open", seen.open) % {"n": seen.open}
    details = [_("The oldest is %(age)s old.") % {"age": _age(seen.oldest_open)}] if seen.oldest_open else []
    if lapsing:
        told = ngettext("%(n)d expires within a day.", "%(n)d expire within a day.", lapsing)
        details.append(told % {"n": lapsing})
    query = "state__exact=open"
    yield Fact(_("Flags"), words, " ".join(details), urgent=bool(lapsing), list_of=Flag, query=query)

    words = ngettext("%(n)d decided", "%(n)d decided", seen.decided) % {"n": seen.decided}
    details = []
    if seen.upheld_share is not None and seen.median_to_decision and seen.p90_to_decision:
        details = [
            _("Upheld: %(percent)s %%.") % {"percent": _number(100 * seen.upheld_share)},
            _("Half within %(median)s, nine of ten within %(p90)s.")
            % {"median": _age(seen.median_to_decision), "p90": _age(seen.p90_to_decision)},
        ]
    if seen.lapsed:
        told = ngettext("%(n)d expired undecided.", "%(n)d expired undecided.", seen.lapsed)
        details.append(told % {"n": seen.lapsed})
    title = _("Flags in %(days)d days") % {"days": seen.days}
    yield Fact(title, words, " ".join(details), urgent=bool(seen.lapsed), list_of=Flag)

    drafts = Correction.objects.filter(state=Correction.State.DRAFT).count()
    words = ngettext("%(n)d given to readers", "%(n)d given to readers", seen.corrections_served)
    told = ngettext("%(n)d waits for approval.", "%(n)d wait for approval.", drafts) % {"n": drafts}
    query = "state__exact=draft" if drafts else ""
    served = words % {"n": seen.corrections_served}
    yield Fact(_("Corrections"), served, told if drafts else "", list_of=Correction, query=query)


def _age(age: datetime.timedelta) -> str:
    hours = int(age.total_seconds()) // 3600
    if hours < 1:
        return _("less than an hour")
    days, rest = divmod(hours, 24)
    said = [ngettext("%(n)d day", "%(n)d days", days) % {"n": days}] if days else []
    if rest:
        said.append(ngettext("%(n)d hour", "%(n)d hours", rest) % {"n": rest})
    return " ".join(said)


def _mail() -> Iterator[Fact]:
    waiting = QueuedMail.objects.filter(state=QueuedMail.State.PENDING)
    count = waiting.count()
    oldest = waiting.order_by("created_at").values_list("created_at", flat=True).first()
    detail = _("The oldest is %(age)s old.") % {"age": _age(timezone.now() - oldest)} if oldest else ""
    words = ngettext("%(n)d mail", "%(n)d mails", count) % {"n": count}
    yield Fact(_("Mail waiting"), words, detail, list_of=QueuedMail, query="state__exact=pending")


def _messages() -> Iterator[Fact]:
    waiting, late = TeamMessage.objects.kept().waiting().count(), TeamMessage.objects.overdue().count()
    words = ngettext("%(n)d open", "%(n)d open", waiting) % {"n": waiting}
    detail = ngettext("%(n)d is past its time.", "%(n)d are past their time.", late) % {"n": late} if late else ""
    yield Fact(_("Messages to the team"), words, detail, urgent=bool(late), list_of=TeamMessage, query="due=open")


def _api() -> Iterator[Fact]:
    now = timezone.now()
    today = Quota.objects.filter(key=0, window=Quota.Window.DAY, starts=now.astimezone(datetime.UTC).date())
    # A row of today is there for whoever has called today.
    sums = today.aggregate(spent=models.Sum("spent_microusd"), customers=models.Count("id"))
    words = _("%(dollars)s US dollars") % {"dollars": _number((sums["spent"] or 0) / MICROUSD, 2)}
    detail = ngettext("%(n)d customer called.", "%(n)d customers called.", sums["customers"])
    yield Fact(
        _("API today (UTC)"),
        words,
        detail % {"n": sums["customers"]},
        list_of=Quota,
        query="window__exact=day&key__exact=0",
    )
    reserved = UsageRecord.objects.reserved()
    late = reserved.filter(started_at__lt=unsettled_since(now)).count()
    running = reserved.count() - late
    words = _("%(n)d running") % {"n": running}
    told = ngettext("%(n)d should be settled and is not.", "%(n)d should be settled and are not.", late) % {"n": late}
    query = "unsettled=late" if late else "unsettled=running"
    yield Fact(_("Calls of the API"), words, told if late else "", urgent=bool(late), list_of=UsageRecord, query=query)


def _chains() -> Iterator[Fact]:
    last = next(iter(heads.published()), None)
    if last is None:
        yield Fact(_("Chains of records"), _("not checked yet"), list_of=EvidenceRecord)
        return
    words = _("both are intact") if last.intact else _("one is broken")
    checked = date_format(datetime.datetime.fromisoformat(last.at), "DATETIME_FORMAT")
    detail = _("Checked %(at)s UTC, up to record %(number)s of the audit log.") % {
        "at": checked,
        "number": last.audit.partition(":")[0],
    }
    query = f"kind__exact={heads.KIND}"
    yield Fact(_("Chains of records"), words, detail, urgent=not last.intact, list_of=EvidenceRecord, query=query)


def _failures() -> Iterator[Fact]:
    recently = timezone.now() - FAILED_WAKES_KEPT
    kinds: list[tuple[str, models.QuerySet, type[models.Model]]] = [
        (_("Erasures that failed"), AccountClosure.objects.filter(state=AccountClosure.State.FAILED), AccountClosure),
        (_("Exports that failed"), DataExport.objects.filter(state=DataExport.State.FAILED), DataExport),
        (_("Mails given up"), QueuedMail.objects.filter(state=QueuedMail.State.FAILED), QueuedMail),
        (_("Webhooks that failed"), StripeEvent.objects.filter(state=StripeEvent.State.FAILED), StripeEvent),
        (_("Usage that Stripe refused"), MeterSend.objects.filter(state=MeterSend.State.FAILED), MeterSend),
        (
            _("Wakes that failed in 7 days"),
            Wake.objects.filter(state=Wake.State.FAILED, requested_at__gte=recently),
            Wake,
        ),
    ]
    found = False
    for title, rows, model in kinds:
        count = rows.count()
        if count:
            found = True
            yield Fact(title, _number(count), urgent=True, list_of=model, query="state__exact=failed")
    if not found:
        yield Fact(_("Jobs that failed"), _("no job failed"))


def _worker() -> Iterator[Fact]:
    seen = cache.get(HEARTBEAT_KEY)
    quiet = time.time() - seen if seen else None
    alive = quiet is not None and quiet < WORKER_QUIET_S
    words = _("at work") if alive else _("no sign of life")
    detail = "" if alive else _("Mail, exports, erasures and the large model wait for it.")
    yield Fact(_("Background worker"), words, detail, urgent=not alive)


LOOKS: tuple[tuple[str | Promise, Look], ...] = (
    (gettext_lazy("GPU budget"), _gpu),
    (gettext_lazy("Tiers"), _tiers),
    (gettext_lazy("Flags"), _flags),
    (gettext_lazy("Oldest stored chat"), _chats),
    (gettext_lazy("API today (UTC)"), _api),
    (gettext_lazy("Messages to the team"), _messages),
    (gettext_lazy("Mail waiting"), _mail),
    (gettext_lazy("Chains of records"), _chains),
    (gettext_lazy("Jobs that failed"), _failures),
    (gettext_lazy("Background worker"), _worker),
)


def _number(value: float, decimals: int = 0) -> str:
    return number_format(round(value, decimals), decimal_pos=decimals, force_grouping=True)
