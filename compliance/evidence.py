"""Evidence: facts on record, public and chained. People appear as a role and a salted digest, never by name."""

import json
import re
from typing import Any

from compliance import chain, kinds
from compliance.errors import NotForTheLog
from compliance.models import EvidenceRecord

MAIL_ADDRESS = re.compile(r"[^\s@<]+@[^\s@>]+\.[^\s@>]+")


def record(kind: str, body: dict[str, Any], *, release: str = "") -> EvidenceRecord:
    """Write down a fact. ``body`` holds strings, whole numbers, booleans, lists and objects of these.

    Raises NotForTheLog for an e-mail address: what stands here is public and cannot be taken back. Raises UnknownKind
    or DoesNotFit for what ``compliance.kinds`` does not describe.
    """
    _without_addresses(body)
    kinds.check(kind, json.loads(chain.canonical(body)))  # as it will be read: an enumeration is its text
    return chain.append(EvidenceRecord, kind=kind, release=release, body=body)


def latest(kind: str) -> EvidenceRecord | None:
    """Return the newest record of a kind."""
    return EvidenceRecord.objects.filter(kind=kind).order_by("-number").first()


def _without_addresses(value: object, name: str = "body") -> None:
    match value:
        case dict():
            for key, part in value.items():
                _without_addresses(str(key), name)
                _without_addresses(part, str(key))
        case list() | tuple():
            for part in value:
                _without_addresses(part, name)
        case str() if MAIL_ADDRESS.search(value):
            raise NotForTheLog(name)
