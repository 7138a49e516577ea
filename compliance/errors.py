"""What can go wrong with records: ComplianceError <- NotForTheLog, NotAHead, UnknownTag."""


class ComplianceError(Exception):
    """Root of this app's errors."""


class NotForTheLog(ComplianceError):
    """A value that may be somebody's words or address was about to be written where nothing can be deleted."""


class NotAHead(ComplianceError):
    """A text that should be a head, ``N:sha256``, is not one."""


class UnknownTag(ComplianceError):
    """A set of gate checks was asked for that nobody registered a check in."""
