"""What can go wrong with people.

AccountError <- LinkRefused
             <- BeingErased
             <- MailUnavailable <- MailRefused
             <- CodeRefused
             <- FactorRefused
             <- TooMany <- TooSoon
"""


class AccountError(Exception):
    """Root of this app's errors."""


class LinkRefused(AccountError):
    """The link is forged, older than fifteen minutes, or was used."""


class BeingErased(AccountError):
    """The person has asked for their account to be erased; it is only a matter of minutes."""


class MailUnavailable(AccountError):
    """The mail server is away, or takes nothing now."""


class MailRefused(MailUnavailable):
    """The mail server is there and will not take this recipient."""


class CodeRefused(AccountError):
    """The code is wrong, too old or spent. ``tries_left`` says how often one may still try with the same code."""

    def __init__(self, tries_left: int = 0) -> None:
        super().__init__(tries_left)
        self.tries_left = tries_left


class FactorRefused(AccountError):
    """A passkey, an app's code or a recovery code is not right, or the last factor of staff may not go."""


class TooMany(AccountError):
    """The window of the last 24 hours is full. ``wait_s`` is when it has moved far enough."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(wait_s)
        self.wait_s = max(1, wait_s)


class TooSoon(TooMany):
    """A code was sent a moment ago."""


class ExportRefused(AccountError):
    """Enough exports were asked for today."""


class ExportGone(AccountError):
    """The export was given out, is too old, is not made yet, or the link to it is not ours."""


class UnknownTemplate(AccountError):
    """A mail was queued that nobody registered: ``mailqueue.template``."""
