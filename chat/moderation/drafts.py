"""What a reader hands in with a flag: parsed once, checked once, believed only under its seal."""

from typing import Any

import msgspec
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.keys import holds_key
from chat.asks import CONTROL, MAX_MESSAGE_BYTES
from chat.models import Flag
from chat.moderation.errors import FlagRefused, HoldsKey
from inference.receipts import Receipt

MAX_WORDS = 1000  # characters that a sender may add
MAX_ANSWER_BYTES = 64 * 1024
MAX_DRAFT_BYTES = 128 * 1024
MAX_PASSAGES = 20


class ReceiptBack(Receipt, frozen=True, forbid_unknown_fields=True):
    """A receipt as it comes back: what it lacks or adds was not sealed."""


class SealedAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One answer with everything its seal was made over."""

    question: str
    text: str
    passages: list[str]
    receipt: ReceiptBack
    seal: str


class FlagDraft(SealedAnswer, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A flag before it is one. ``language`` is that of the page, ``train`` the box that was ticked."""

    reason: str
    words: str = ""
    train: bool = False
    language: str = "en"

    @property
    def own_words(self) -> str:
        """What the sender wrote, with the line ends that browsers change set right."""
        return self.words.replace("\r\n", "\n").strip()


_answers: msgspec.json.Decoder[SealedAnswer] = msgspec.json.Decoder(SealedAnswer)
_drafts: msgspec.json.Decoder[FlagDraft] = msgspec.json.Decoder(FlagDraft)


def parse_draft(data: bytes) -> FlagDraft:
    """Return the flag in ``data``, checked but for its seal. Raises FlagRefused."""
    draft: FlagDraft = _decoded(data, _drafts)
    check(draft)
    return draft


def parse_answer(text: str) -> SealedAnswer:
    """Return the answer that a plain form carries as one field. Raises FlagRefused."""
    answer: SealedAnswer = _decoded(text.encode("utf-8", "surrogatepass"), _answers)
    _check_answer(answer)
    return answer


def with_answer(answer: SealedAnswer, *, reason: str, words: str, train: bool, language: str) -> FlagDraft:
    """Return a plain form's flag, checked but for its seal. Raises FlagRefused."""
    given: dict[str, Any] = {name: getattr(answer, name) for name in SealedAnswer.__struct_fields__}
    draft = FlagDraft(**given, reason=reason, words=words, train=train, language=language)
    check(draft)
    return draft


def check(draft: FlagDraft) -> None:
    """Raises FlagRefused for what no flag may hold. Rude words are no reason: what they are about may be worth them."""
    _check_answer(draft)
    if draft.language not in dict(settings.LANGUAGES):
        raise FlagRefused("language", _("This language is not offered."))
    if draft.reason not in Flag.Reason.values:
        raise FlagRefused("reason", _("Please choose what is wrong with the answer."))
    if len(draft.own_words) > MAX_WORDS:
        most = ngettext("At most %(most)d character.", "At most %(most)d characters.", MAX_WORDS) % {"most": MAX_WORDS}
        raise FlagRefused("words", _("Your words are too long.") + " " + most)
    if CONTROL.search(draft.words):
        raise FlagRefused("words", _("Your words hold characters that are not text."))
    if holds_key(draft.words):
        raise HoldsKey("words")


def _check_answer(answer: SealedAnswer) -> None:
    for field, text, most in (
        ("question", answer.question, MAX_MESSAGE_BYTES),
        ("text", answer.text, MAX_ANSWER_BYTES),
        ("seal", answer.seal, MAX_MESSAGE_BYTES),
    ):
        if len(text.encode("utf-8", "surrogatepass")) > most:
            raise FlagRefused(field, _too_large(most))
        if holds_key(text):
            raise HoldsKey(field)
    if len(answer.passages) > MAX_PASSAGES:
        raise FlagRefused("passages", _unreadable())


def _decoded(data: bytes, decoder: "msgspec.json.Decoder[Any]") -> Any:
    if len(data) > MAX_DRAFT_BYTES:
        raise FlagRefused("", _too_large(MAX_DRAFT_BYTES))
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise FlagRefused("", _unreadable()) from error


def _unreadable() -> str:
    return _("What was sent cannot be read: a field is missing, unknown or of the wrong type.")


def _too_large(most: int) -> str:
    return _("What was sent is larger than %(kib)d KiB.") % {"kib": most // 1024}
