"""What about people's mail, exports and erasures needs an operator now."""

import datetime

from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts import mailqueue
from accounts.models import AccountClosure, DataExport, QueuedMail
from compliance.alarms import alarm

MAIL_LATE_S = 3600
ERASURE_LATE = datetime.timedelta(hours=1)
LOOK_BACK = datetime.timedelta(days=7)


@alarm("accounts.mail")
def mail_waits() -> list[str | Promise]:
    """Mail that has waited for an hour, and mail given up in the last week."""
    found: list[str | Promise] = []
    waiting_s = mailqueue.oldest_waiting_s()
    if waiting_s is not None and waiting_s > MAIL_LATE_S:
        minutes = waiting_s // 60
        found.append(_("A mail has waited for %(minutes)d minutes: look at the mail server.") % {"minutes": minutes})
    lost = QueuedMail.objects.filter(state=QueuedMail.State.FAILED, created_at__gt=Now() - LOOK_BACK).count()
    if lost:
        found.append(
            ngettext("%(count)d mail was given up this week.", "%(count)d mails were given up this week.", lost)
            % {"count": lost}
        )
    return found


@alarm("accounts.erasure")
def erasures_stuck() -> list[str | Promise]:
    """Erasures that failed or are an hour late."""
    failed = AccountClosure.objects.filter(state=AccountClosure.State.FAILED).count()
    late = AccountClosure.objects.filter(
        state=AccountClosure.State.REQUESTED, requested_at__lt=Now() - ERASURE_LATE
    ).count()
    stuck = failed + late
    if not stuck:
        return []
    words = ngettext(
        "%(count)d account was to be erased and is still there.",
        "%(count)d accounts were to be erased and are still there.",
        stuck,
    )
    return [words % {"count": stuck}]


@alarm("accounts.export")
def exports_failed() -> list[str | Promise]:
    """Exports given up in the last week."""
    failed = DataExport.objects.filter(state=DataExport.State.FAILED, requested_at__gt=Now() - LOOK_BACK).count()
    if not failed:
        return []
    words = ngettext(
        "%(count)d export could not be made this week.", "%(count)d exports could not be made this week.", failed
    )
    return [words % {"count": failed}]
