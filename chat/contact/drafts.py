"""What somebody may send to the team: parsed once, checked once, trusted from there on."""

import uuid
from dataclasses import dataclass

import msgspec
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.addresses import canonical
from billing.keys import holds_key
from chat.asks import CONTROL
from chat.errors import AskRefused, HoldsKey
from chat.models import TeamMessage

MAX_CHARS = 4_000
MAX_BODY_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that may be sent. ``reply_to`` is empty where no answer is wanted."""

    id: uuid.UUID
    kind: str
    language: str
    text: str
    reply_to: str = ""


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    kind: str
    text: str
    language: str = "en"
    reply_to: str = ""


_decoder = msgspec.json.Decoder(_Body)


def parsed(data: bytes) -> Draft:
    """Return the draft in a JSON body. Raises AskRefused."""
    if len(data) > MAX_BODY_BYTES:
        raise AskRefused("", _("The request is larger than %(kib)d KiB.") % {"kib": MAX_BODY_BYTES // 1024})
    try:
        body = _decoder.decode(data)
    except msgspec.ValidationError as error:
        raise AskRefused("", _("This field is missing, unknown or of the wrong type.")) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise AskRefused("", _("This is not valid JSON in UTF-8.")) from error
    return draft(id=body.id, kind=body.kind, language=body.language, text=body.text, reply_to=body.reply_to)


def draft(*, id: str, kind: str, language: str, text: str, reply_to: str = "") -> Draft:
    """Return what somebody wrote as a draft. Raises AskRefused with the field that is wrong."""
    return Draft(_id(id), _kind(kind), _language(language), _text(text), _address(reply_to))


def _id(text: str) -> uuid.UUID:
    try:
        found = uuid.UUID(text)
    except ValueError:
        found = None
    if found is None or found.version != 4 or str(found) != text.lower():
        raise AskRefused("id", _("The id must be a UUID, version 4."))
    return found


def _kind(text: str) -> str:
    if text not in TeamMessage.Kind.values:
        raise AskRefused("kind", _("Choose what your message is about."))
    return text


def _language(text: str) -> str:
    if text not in dict(settings.LANGUAGES):
        raise AskRefused("language", _("This language is not offered."))
    return text


def _text(text: str) -> str:
    plain = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if not plain:
        raise AskRefused("text", _("The message is empty."))
    if len(plain) > MAX_CHARS:
        sizes = {"count": len(plain), "limit": MAX_CHARS}
        raise AskRefused("text", _("The message has %(count)d characters; %(limit)d are possible.") % sizes)
    if CONTROL.search(plain):
        raise AskRefused("text", _("The message holds characters that are not text."))
    if holds_key(plain):
        raise HoldsKey(
            "text",
            _(
                "Your message contains an API key, so it was neither sent nor kept. Take the key for known to others:"
                " revoke it on the page of your keys and make a new one."
            ),
        )
    return plain


def _address(text: str) -> str:
    if not text.strip():
        return ""
    try:
        return canonical(text)
    except ValidationError as error:
        raise AskRefused("reply_to", " ".join(error.messages)) from error
