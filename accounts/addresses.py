"""The one spelling of an e-mail address: what is proven, kept and looked up is the same text, letter for letter.

Letters that look alike, or become alike in capitals, are how somebody proves one address and is taken for another.
"""

import idna
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

MAX_CHARS = 254
INVALID = _("This is not an e-mail address. It looks like name@example.org.")
UNUSUAL = _("Addresses like this one cannot be used here: before the @ stand letters from a to z, digits and signs.")

_check = EmailValidator(INVALID)


def canonical(text: str) -> str:
    """Return the address as it is kept: ASCII in lower case, the domain as mail servers look it up (IDNA).

    Raises ValidationError for what is no address, and for what has several readings: other letters or quotes before
    the @, a number in place of a domain.
    """
    name, at, domain = text.strip().rpartition("@")
    if not at:
        raise ValidationError(INVALID, code="invalid")
    if not name.isascii() or name.startswith('"') or domain.startswith("["):
        raise ValidationError(UNUSUAL, code="unusual")
    try:
        domain = idna.encode(domain, uts46=True, std3_rules=True).decode()
    except UnicodeError as error:  # idna's errors are among these
        raise ValidationError(INVALID, code="invalid") from error
    address = f"{name}@{domain}".lower()
    if len(address) > MAX_CHARS:
        raise ValidationError(INVALID, code="invalid")
    _check(address)
    return address


def mailbox(address: str) -> str:
    """Return an address without what mail servers commonly drop (``+tag``): where it arrives, for counting only."""
    name, _at, domain = address.strip().lower().rpartition("@")
    return f"{name.partition('+')[0] or name}@{domain}"
