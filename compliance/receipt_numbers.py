"""Receipt numbers: what somebody without an account keeps, to come back to what they sent.

A number is a key: whoever shows it is the sender. The database holds its digest only.
"""

import hashlib
import secrets

# Without letters and figures that are taken for one another: 31 of them, so 16 are 79 bits.
ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
GROUPS, GROUP = 4, 4


def new(prefix: str) -> str:
    """Return a new number such as ``F-7K3M-9QXA-…``; ``prefix`` says what it belongs to."""
    groups = ["".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS)]
    return "-".join([prefix, *groups])


def digest(text: str) -> str:
    """Return the digest of a number as somebody typed it: case, spaces and dashes do not matter."""
    plain = "".join(letter for letter in text.upper() if letter.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()
