"""What the sender of a flag reads about it: how it stands, what was found, and when its texts go."""

import datetime
from dataclasses import dataclass

from django.utils.translation import gettext as _

from chat.models import Flag


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a flag stands, in the current language. ``note`` is empty once the texts are gone."""

    flag: Flag
    state: str
    finding: str
    note: str
    has_texts: bool
    ends_at: datetime.datetime
    trains: bool


def outcome_of(flag: Flag) -> Outcome:
    """Return how a flag stands; it comes from ``chat.moderation.flags``, which adds ``has_texts``."""
    has_texts = bool(flag.has_texts)  # type: ignore[attr-defined]  # annotated
    return Outcome(
        flag=flag,
        state=_state(flag, has_texts=has_texts),
        finding=flag.get_finding_display(),
        note=flag.note if has_texts else "",
        has_texts=has_texts,
        ends_at=flag.expires_at if has_texts else min(flag.emptied_at or flag.expires_at, flag.expires_at),
        trains=flag.training_subject is not None,
    )


def _state(flag: Flag, *, has_texts: bool) -> str:
    lapsed = flag.state == Flag.State.OPEN and not has_texts  # the sweep has not come by yet
    return {
        Flag.State.OPEN: _("Nobody has decided yet."),
        Flag.State.UPHELD: _("You were right: the answer should not have been given like this."),
        Flag.State.DISMISSED: _("The answer stands."),
        Flag.State.WITHDRAWN: _("You deleted the texts before anybody decided."),
        Flag.State.LAPSED: _("Nobody decided in time, and the texts are gone."),
    }[Flag.State.LAPSED if lapsed else Flag.State(flag.state)]
