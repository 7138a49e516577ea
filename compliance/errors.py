"""What can go wrong with records.

ComplianceError <- NotForTheLog, NotAHead, UnknownTag, UnknownKind, DoesNotFit, CannotAttest <- (NothingToSign,
AlreadyAttested, UnknownStatement, RoleNotAsked), NotOpen.
"""


class ComplianceError(Exception):
    """Root of this app's errors."""


class NotForTheLog(ComplianceError):
    """A value that may be somebody's words or address was about to be written where nothing can be deleted."""


class NotAHead(ComplianceError):
    """A text that should be a head, ``N:sha256``, is not one."""


class UnknownTag(ComplianceError):
    """A set of gate checks was asked for that nobody registered a check in."""


class UnknownKind(ComplianceError):
    """Evidence of a kind that ``compliance.kinds`` does not describe."""


class DoesNotFit(ComplianceError):
    """The body of a record lacks something that its kind asks for, or says it in another type."""


class CannotAttest(ComplianceError):
    """Root of what keeps somebody from attesting a statement."""


class NothingToSign(CannotAttest):
    """No release is on record, and what is signed off is a release."""


class AlreadyAttested(CannotAttest):
    """This person's attestation of this statement still stands."""


class UnknownStatement(CannotAttest):
    """No committed statement has this id."""


class RoleNotAsked(CannotAttest):
    """The statement asks for other roles than this one."""


class NotOpen(ComplianceError):
    """An incident cannot go where it was asked to: it is closed, or the way there is another."""
