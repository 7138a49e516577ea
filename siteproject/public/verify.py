"""Whether something is ours and unchanged, and how that was decided: an answer with its seal, a text, a head.

Nothing of it is kept: what somebody brings is compared and forgotten.
"""

import datetime
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from django.db import models

from chat import seals
from compliance.chain import CHAINS, Head
from compliance.errors import NotAHead
from compliance.models import EvidenceRecord
from content.bodies import estimated_tokens
from inference.gates import LONGEST_UNMARKED_TOKENS
from inference.receipts import Receipt
from inference.registry import declared
from siteproject.public.errors import Unreadable

MAX_TEXT_BYTES = 64 * 1024
MAX_SEAL_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Sealed:
    """An answer with what vouches for it. ``receipt`` as the page gave it, or None."""

    question: str
    answer: str
    seal: str
    receipt: dict[str, Any] | None = None


class SealVerdict(msgspec.Struct, frozen=True, tag_field="asked", tag="answer"):
    """``unchanged``: this site gave this answer to this question at ``given_at``; ``not_vouched``: not ours or changed.

    ``receipt`` says the same of the receipt, where one came along; only then are ``rung`` and ``ai_generated`` known.
    """

    result: Literal["unchanged", "not_vouched"]
    answer: str | None = None
    given_at: datetime.datetime | None = None
    receipt: Literal["unchanged", "not_vouched"] | None = None
    rung: str | None = None
    ai_generated: bool | None = None
    decided_by: str = "seal: a keyed digest (HMAC-SHA256) of question and answer, with the time, signed by this site"


class TextVerdict(msgspec.Struct, frozen=True, tag_field="asked", tag="text"):
    """A text without its seal. ``reasons``: *too_short*, *no_watermark*, *no_detector*; tokens are an estimate."""

    result: Literal["inconclusive"]
    reasons: list[str]
    tokens_about: int
    tokens_needed: int = LONGEST_UNMARKED_TOKENS
    watermark_keys: list[str] = []
    score: float | None = None
    decided_by: str = "no watermark could be looked for, so nothing follows from the words themselves"


class HeadVerdict(msgspec.Struct, frozen=True, tag_field="asked", tag="head"):
    """``held``: the chain holds this record with this digest. ``not_held``: no chain of ours does.

    ``checked_at`` is when both chains were last read from their beginning, ``intact`` what that found.
    """

    result: Literal["held", "not_held"]
    number: int
    chain: str | None = None
    checked_at: datetime.datetime | None = None
    intact: bool | None = None
    decided_by: str = "the number and the sha256 of the record in our database, compared with the ones given"


Verdict = SealVerdict | TextVerdict | HeadVerdict


def answer(brought: Sealed) -> SealVerdict:
    """Say whether this site gave this answer to this question. Raises Unreadable for what is too long."""
    _check_size("question", brought.question)
    _check_size("answer", brought.answer)
    if len(brought.seal) > MAX_SEAL_CHARS:
        raise Unreadable("seal")
    for question, text in _as_sent(brought):
        vouched = seals.vouches(brought.seal.strip(), question=question, text=text)
        if vouched is None:
            continue
        verdict = SealVerdict("unchanged", str(vouched.answer), vouched.given_at)
        if brought.receipt is None:
            return verdict
        receipt = _receipt(brought.receipt)
        if receipt is None or not seals.vouches(brought.seal.strip(), question=question, text=text, receipt=receipt):
            return msgspec.structs.replace(verdict, receipt="not_vouched")
        by_model = receipt.ai_generated
        return msgspec.structs.replace(
            verdict,
            receipt="unchanged",
            rung=receipt.rung,
            ai_generated=by_model if isinstance(by_model, bool) else receipt.model is not None,
        )
    return SealVerdict("not_vouched")


def text(words: str, language: str) -> TextVerdict:
    """Say what can be told of a text alone. Raises Unreadable for one that is empty or too long."""
    _check_size("text", words)
    if not words.strip():
        raise Unreadable("text")
    tokens = estimated_tokens(words, language)
    keys = sorted({served.watermark_key for served in declared() if served.watermark_key})
    reasons = ["too_short"] if tokens < LONGEST_UNMARKED_TOKENS else []
    # A key says that a model server marks its words; finding the mark would need that server's own detector.
    reasons.append("no_detector" if keys else "no_watermark")
    return TextVerdict("inconclusive", reasons, tokens, watermark_keys=keys)


def head(written: str) -> HeadVerdict:
    """Say whether a chain of ours still holds a head that somebody kept. Raises Unreadable."""
    try:
        kept = Head.parse(written)
    except NotAHead:
        raise Unreadable("head") from None
    last = EvidenceRecord.objects.filter(kind="chain_head").order_by("-number").first()
    checked = (last.at, last.body.get("intact") is True) if last else (None, None)
    for name, model in CHAINS.items():
        if _holds(model, kept):
            return HeadVerdict("held", kept.number, name, *checked)
    return HeadVerdict("not_held", kept.number, None, *checked)


def _holds(model: type[models.Model], kept: Head) -> bool:
    return model._default_manager.filter(number=kept.number, sha256=kept.sha256).exists()


def _as_sent(brought: Sealed) -> list[tuple[str, str]]:
    """Return question and answer as they may have been sealed.

    Forms send line ends as CRLF, and copying takes blanks along or leaves them behind at both ends.
    """
    plain = [part.replace("\r\n", "\n") for part in (brought.question, brought.answer)]
    tries = [(brought.question, brought.answer), (plain[0], plain[1]), (plain[0].strip(), plain[1].strip())]
    return list(dict.fromkeys(tries))


def _receipt(brought: dict[str, Any]) -> Receipt | None:
    """Return the receipt, None for anything that we cannot have given: a field more would not be under the seal."""
    try:
        found = msgspec.convert(brought, Receipt)
    except msgspec.ValidationError:
        return None
    return found if found.as_dict() == brought else None


def _check_size(field: str, words: str) -> None:
    if len(words.encode("utf-8", "surrogatepass")) > MAX_TEXT_BYTES:
        raise Unreadable(field)
