"""By when a message is answered, by its kind, and why then. A table in the code: a law is not a setting."""

import datetime
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chat.models import TeamMessage

Kind = TeamMessage.Kind

# An incident that nobody has taken for so long is overdue, whatever its own time is: somebody has to look whether it
# is one before 72 hours can be kept.
FIRST_LOOK = datetime.timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Deadline:
    """``within`` is counted from the moment of sending; ``words`` say it to the reader, ``reason`` to the staff."""

    within: datetime.timedelta
    words: str | Promise
    reason: str | Promise

    @property
    def hours(self) -> int:
        return int(self.within.total_seconds()) // 3600


# Five working days are seven days from any day. Public holidays are not known here and not added.
_OURS = Deadline(datetime.timedelta(days=7), _("within five working days"), _("our own promise: five working days"))
DEADLINES = {
    Kind.INCIDENT: Deadline(
        datetime.timedelta(hours=72),
        _("within 72 hours; somebody looks at it within 24"),
        _("GDPR Article 33(1): an authority hears of a breach within 72 hours"),
    ),
    Kind.PRIVACY: Deadline(datetime.timedelta(days=30), _("within 30 days"), _("GDPR Article 12(3): within one month")),
    Kind.PRESS: _OURS,
    Kind.SALES: _OURS,
    Kind.SUPPORT: _OURS,
    Kind.OTHER: _OURS,
}


def deadline(kind: str) -> Deadline:
    return DEADLINES[Kind(kind)]
