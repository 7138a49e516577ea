"""What a client may ask: parsed once, checked once, trusted from there on."""

import hashlib
import json
import re
import uuid
from typing import Any, Literal

import msgspec
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext as _

from billing.keys import holds_key
from chat.errors import AskRefused, HoldsKey

MAX_MESSAGES = 64
MAX_MESSAGE_BYTES = 16 * 1024
MAX_ASK_BYTES = 256 * 1024
SECRET = re.compile(r"[A-Za-z0-9_-]{40,64}")
# NUL cannot be stored, the others have no business in a question and hide text from readers.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Literal["user", "assistant"]
    content: str
    seal: str | None = None


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ask", tag_field="type"):
    """A question with what came before it. ``id`` and ``secret`` are the client's own and let it come back.

    With ``conversation``, a stored one, there is one message and the rest comes from the store. ``upgrade`` says
    whether the reader wants a second version by the large model.
    """

    id: str
    messages: list[Message]
    secret: str | None = None
    conversation: str | None = None
    language: str = "en"
    upgrade: bool = True

    @property
    def question(self) -> str:
        return self.messages[-1].content

    def digest(self) -> str:
        """Return the sha256 of what is asked; equal for a repeated ask, whatever its secret."""
        return hashlib.sha256(msgspec.json.encode([self.messages, self.conversation, self.language])).hexdigest()


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="stop", tag_field="type"):
    id: str
    secret: str | None = None


class Resume(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="resume", tag_field="type"):
    id: str
    secret: str
    after_seq: int = -1


ClientMessage = Ask | Stop | Resume
_decoder: msgspec.json.Decoder[Ask | Stop | Resume] = msgspec.json.Decoder(Ask | Stop | Resume)
_ask_decoder: msgspec.json.Decoder[Ask] = msgspec.json.Decoder(Ask)


def parse(data: bytes, decoder: "msgspec.json.Decoder[Any] | None" = None) -> ClientMessage:
    """Return the message in ``data``. Raises AskRefused with the field that is wrong."""
    if len(data) > MAX_ASK_BYTES:
        raise AskRefused("", _("The request is larger than %(kib)d KiB.") % {"kib": MAX_ASK_BYTES // 1024})
    try:
        message: ClientMessage = (decoder or _decoder).decode(data)
        json.loads(data, object_pairs_hook=_no_duplicates)
    except msgspec.ValidationError as error:
        raise AskRefused(_field(str(error)), _("This field is missing, unknown or of the wrong type.")) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise AskRefused("", _("This is not valid JSON in UTF-8.")) from error
    _check_id(message.id)
    if isinstance(message, Ask):
        _check(message)
    if message.secret is not None and not SECRET.fullmatch(message.secret):
        raise AskRefused("secret", _("The secret must be 32 random bytes in base64url."))
    return message


def parse_ask(data: bytes) -> Ask:
    """Return the ask in ``data``, whose ``type`` may be left out. Raises AskRefused."""
    message = parse(data, _ask_decoder)
    assert isinstance(message, Ask)
    return message


def _check_id(text: str, field: str = "id") -> None:
    try:
        if uuid.UUID(text).version == 4 and str(uuid.UUID(text)) == text.lower():
            return
    except ValueError:
        pass
    raise AskRefused(field, _("The id must be a UUID, version 4."))


def _check(ask: Ask) -> None:
    if not 1 <= len(ask.messages) <= MAX_MESSAGES:
        raise AskRefused("messages", _("Send 1 to %(most)d messages.") % {"most": MAX_MESSAGES})
    if ask.language not in dict(settings.LANGUAGES):
        raise AskRefused("language", _("This language is not offered."))
    if ask.conversation is not None:
        _check_id(ask.conversation, "conversation")
        if len(ask.messages) != 1:
            raise AskRefused("messages", _("With a stored conversation, send one message: the question."))
    for number, message in enumerate(ask.messages):
        field = f"messages[{number}].content"
        if not message.content.strip():
            raise AskRefused(field, _("The message is empty."))
        size = len(message.content.encode("utf-8", "surrogatepass"))
        if size > MAX_MESSAGE_BYTES:
            limits = {"size": size, "limit": MAX_MESSAGE_BYTES}
            raise AskRefused(field, _("The message has %(size)d bytes; %(limit)d are possible.") % limits)
        if CONTROL.search(message.content):
            raise AskRefused(field, _("The message holds characters that are not text."))
        if holds_key(message.content):
            raise HoldsKey(field, _pasted_key(ask.language))
    if ask.messages[-1].role != "user":
        raise AskRefused("messages", _("The last message must be the question."))


def _pasted_key(language: str) -> str:
    """Return what somebody should do who has shown us an API key. Whoever sees the page may have seen it too."""
    with translation.override(language):
        return _(
            "Your message contains an API key, so it was neither answered nor kept. Take the key for known to others:"
            " revoke it on the page of your keys and make a new one."
        )


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise AskRefused(key, _("This is not valid JSON in UTF-8."))
        found[key] = value
    return found


def _field(error: str) -> str:
    """Return the path in a msgspec message: where it says ``at `$.messages[0]` ``, and the field it names there."""
    found = re.search(r"at `\$\.?([^`]*)`", error)
    named = re.search(r"field `([^`]*)`", error)
    parts = [found.group(1) if found else "", named.group(1) if named else ""]
    return ".".join(part for part in parts if part).replace("[...]", "")
