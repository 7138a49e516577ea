"""A seal says: this site gave this answer to this question, from these passages, with this receipt.

It lets a visitor, of whom nothing is stored, hand an answer back to us (as history, later as a flag)
without our believing whatever a client sends. It holds keyed digests only, no text.
"""

import datetime
import hashlib
import hmac
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.core import signing
from django.core.signing import b62_decode

from inference.receipts import Receipt

SALT = "chat.seal"
VERSION = 1


def seal(*, answer: str, question: str, text: str, passages: Sequence[str], receipt: Receipt) -> str:
    """Return the seal of one version of an answer; ``answer`` is its public id, ``passages`` their ids."""
    claim = {
        "v": VERSION,
        "answer": answer,
        "q": _digest("question", question),
        "a": _digest("answer", text),
        "p": _digest("passages", "\n".join(passages)),
        "r": _digest("receipt", receipt.canonical().decode()),
    }
    return signing.dumps(claim, key=settings.SEAL_KEY, salt=SALT)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a seal says: which answer it was made for, until when it counts."""

    answer: uuid.UUID
    good_until: datetime.datetime


def open_seal(token: str, *, question: str, text: str, passages: Sequence[str], receipt: Receipt) -> Claim | None:
    """Return what a seal says of an answer that is handed back whole; None when anything of it is not as we gave it."""
    age = datetime.timedelta(days=settings.SEAL_MAX_AGE_DAYS)
    try:
        claim = signing.loads(token, key=settings.SEAL_KEY, salt=SALT, max_age=age)
    except signing.BadSignature:
        return None
    said = {"q": question, "a": text, "p": "\n".join(passages), "r": receipt.canonical().decode()}
    purposes = {"q": "question", "a": "answer", "p": "passages", "r": "receipt"}
    same = [hmac.compare_digest(str(claim.get(key)), _digest(purposes[key], value)) for key, value in said.items()]
    if claim.get("v") != VERSION or not all(same):
        return None
    signed_at = datetime.datetime.fromtimestamp(_signed_at(token), datetime.UTC)
    return Claim(uuid.UUID(claim["answer"]), signed_at + age)


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a seal proves to anybody: which answer it was made for, and when it was given."""

    answer: uuid.UUID
    given_at: datetime.datetime


def vouches(token: str, *, question: str, text: str, receipt: Receipt | None = None) -> Vouched | None:
    """Return what a seal of ours proves of an answer, None when anything is not as we gave it.

    Its age does not matter: it bounds what a seal may be used for here, and a proof that ends would be none. With
    ``receipt``, that and the passages it names must be the sealed ones, too.
    """
    try:
        claim = signing.loads(token, key=settings.SEAL_KEY, salt=SALT)
    except signing.BadSignature:
        return None
    said = {"q": _digest("question", question), "a": _digest("answer", text)}
    if receipt is not None:
        said |= {
            "p": _digest("passages", "\n".join(receipt.passages)),
            "r": _digest("receipt", receipt.canonical().decode()),
        }
    same = [hmac.compare_digest(str(claim.get(key)), digest) for key, digest in said.items()]
    if claim.get("v") != VERSION or not all(same):
        return None
    return Vouched(uuid.UUID(claim["answer"]), datetime.datetime.fromtimestamp(_signed_at(token), datetime.UTC))


def _signed_at(token: str) -> int:
    """Return the second in which a token was signed, of one whose signature is known to be ours."""
    return b62_decode(token.rsplit(":", 2)[1])


def holds(token: str | None, *, question: str, text: str) -> bool:
    """Whether ``token`` is ours, not too old, and made for this question and this answer."""
    if not token:
        return False
    age = datetime.timedelta(days=settings.SEAL_MAX_AGE_DAYS)
    try:
        claim = signing.loads(token, key=settings.SEAL_KEY, salt=SALT, max_age=age)
    except signing.BadSignature:
        return False
    return (
        claim.get("v") == VERSION
        and hmac.compare_digest(claim["q"], _digest("question", question))
        and hmac.compare_digest(claim["a"], _digest("answer", text))
    )


def _digest(purpose: str, text: str) -> str:
    key = f"{settings.SEAL_KEY}:{purpose}".encode()
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]
