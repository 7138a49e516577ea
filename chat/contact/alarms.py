"""What about messages to the team needs somebody now."""

from django.conf import settings
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import ngettext

from chat.contact.deadlines import FIRST_LOOK
from chat.models import TeamMessage
from compliance.alarms import alarm


@alarm("chat.messages")
def messages_wait() -> list[str | Promise]:
    """Messages past their time, incidents that nobody has looked at for a day, and a team that nobody tells."""
    waiting = TeamMessage.objects.kept().waiting()
    late = TeamMessage.objects.overdue().count()
    new = waiting.filter(
        kind=TeamMessage.Kind.INCIDENT, state=TeamMessage.State.RECEIVED, received_at__lt=Now() - FIRST_LOOK
    ).count()
    untold = 0 if settings.TEAM_EMAIL else waiting.filter(state=TeamMessage.State.RECEIVED).count()
    found: list[str | Promise] = []
    if late:
        words = ngettext(
            "%(count)d message to the team is past its time.",
            "%(count)d messages to the team are past their time.",
            late,
        )
        found.append(words % {"count": late})
    if new:
        words = ngettext(
            "%(count)d message about an incident has waited for a day for somebody to look at it.",
            "%(count)d messages about incidents have waited for a day for somebody to look at them.",
            new,
        )
        found.append(words % {"count": new})
    if untold:
        words = ngettext(
            "TEAM_EMAIL is empty, %(count)d message waits and nobody was told.",
            "TEAM_EMAIL is empty, %(count)d messages wait and nobody was told.",
            untold,
        )
        found.append(words % {"count": untold})
    return found
