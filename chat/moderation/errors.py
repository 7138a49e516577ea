"""What can be wrong with a flag. Each carries its sentence for the reader, in the language that was active.

FlagRefused         a field is missing, malformed or too long; ``field`` says which
├── HoldsKey        there is an API key in it
├── SealRefused     the answer is not as we gave it, or the seal is too old
├── AlreadyFlagged  somebody flagged this answer before
├── TooManyFlags    again in ``retry_after_s``
└── FlagUnknown     no flag under this number
"""

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.errors import AskRefused


class FlagRefused(AskRefused):
    pass


class HoldsKey(FlagRefused):
    code = "holds_api_key"

    def __init__(self, field: str) -> None:
        super().__init__(
            field,
            _(
                "This contains an API key, so it was neither taken nor kept. Take the key for known to others:"
                " revoke it on the page of your keys and make a new one."
            ),
        )


class SealRefused(FlagRefused):
    code = "seal_refused"
    status = 422

    def __init__(self) -> None:
        days = settings.SEAL_MAX_AGE_DAYS
        super().__init__(
            "seal",
            ngettext(
                "This answer cannot be flagged: its seal is older than %(days)d day, or something of it was changed."
                " Ask again and flag the new answer.",
                "This answer cannot be flagged: its seal is older than %(days)d days, or something of it was changed."
                " Ask again and flag the new answer.",
                days,
            )
            % {"days": days},
        )


class AlreadyFlagged(FlagRefused):
    code = "already_flagged"
    status = 409

    def __init__(self) -> None:
        super().__init__("answer", _("This answer was flagged before. An answer is flagged once."))


class TooManyFlags(FlagRefused):
    code = "rate_limited"
    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "", _("You have flagged many answers in a short time. Please wait a little and send it again.")
        )
        self.retry_after_s = retry_after_s


class FlagUnknown(FlagRefused):
    code = "unknown_flag"
    status = 404

    def __init__(self) -> None:
        super().__init__("number", _("There is no flag under this number. Please look at its letters once more."))
