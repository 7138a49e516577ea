"""What can go wrong with people: AccountError <- LinkRefused."""


class AccountError(Exception):
    """Root of this app's errors."""


class LinkRefused(AccountError):
    """The link is forged, older than fifteen minutes, or was used."""
