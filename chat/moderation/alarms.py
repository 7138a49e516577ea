"""What about flags needs somebody now."""

import datetime

from django.utils.functional import Promise
from django.utils.translation import ngettext

from chat.moderation import figures
from compliance.alarms import alarm

DAY = datetime.timedelta(days=1)


@alarm("chat.flags")
def flags_lapse() -> list[str | Promise]:
    """Flags whose texts go within a day, decided or not."""
    count = figures.lapsing_within(DAY)
    if not count:
        return []
    words = ngettext(
        "%(count)d flag expires undecided within a day.", "%(count)d flags expire undecided within a day.", count
    )
    return [words % {"count": count}]
