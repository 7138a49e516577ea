"""The audit log: who did what to which object, chained. Call ``record`` as the last statement of a transaction."""

import hashlib
import hmac
import ipaddress
import re
import uuid
from typing import Protocol

from compliance import chain
from compliance.errors import NotForTheLog
from compliance.models import AuditEntry

SYSTEM = "system"  # a timer or a sweeper
OPERATOR = "operator"  # somebody with a shell
MAX_VALUE_CHARS = 80
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Who, what and which are one word each: user:UUID, account.exported, a primary key.
ONE_WORD = re.compile(r"[\w.:/+-]*")
Value = str | int | bool | None


class Person(Protocol):
    """Anybody with a random id that means nothing outside this database."""

    public_id: uuid.UUID


def record(
    action: str,
    *,
    actor: Person | str,
    object_kind: str,
    object_id: object = "",
    before: dict[str, Value] | None = None,
    after: dict[str, Value] | None = None,
    **facts: Value,
) -> AuditEntry:
    """Write down an act. ``action`` is ``app.noun-verb``; ``before``, ``after`` and ``facts`` are short values.

    Raises NotForTheLog for a value that looks like an address or is longer than a name: text has no place here.
    """
    changes: dict[str, object] = {}
    for name, values in (("before", before), ("after", after), ("facts", facts)):
        if values:
            changes[name] = {_word("a name", key): _allowed(key, value) for key, value in values.items()}
    who = actor if isinstance(actor, str) else f"user:{actor.public_id}"
    return chain.append(
        AuditEntry,
        actor=_word("actor", who),
        action=_word("action", action),
        object_kind=_word("object_kind", object_kind),
        object_id=_word("object_id", str(object_id)),
        changes=changes,
    )


def salted(salt: str, text: str) -> str:
    """Return a digest that proves a value to whoever has the salt, and says nothing once the salt is deleted."""
    return "hmac:" + hmac.new(salt.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def _allowed(name: str, value: Value) -> Value:
    match value:
        case None | bool() | int():
            return value
        case str() if len(value) <= MAX_VALUE_CHARS and not CONTROL_CHARACTER.search(value):
            if "@" not in value and not any(_is_address(word) for word in value.split()):
                return value
    raise NotForTheLog(name)


def _word(name: str, value: str) -> str:
    if not ONE_WORD.fullmatch(value) or _is_address(value):
        raise NotForTheLog(name)
    return value


def _is_address(word: str) -> bool:
    """Whether a word is the address of a machine: that of a visitor is somebody's."""
    try:
        ipaddress.ip_network(word.strip("[](),;"), strict=False)
    except ValueError:
        return False
    return "." in word or ":" in word
