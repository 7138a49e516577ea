"""A security key in software: it makes passkeys and proves them, with or without having checked its owner."""

import hashlib
import json
import os
import struct
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client
from fido2 import cbor
from fido2.utils import websafe_encode

from accounts.models import User
from tests.accounts.clients import signed_in

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ORIGIN = "http://localhost:8000"


class Key:
    """One key pair. ``flags`` say what the key claims: that somebody touched it, that it checked who that was."""

    def __init__(self) -> None:
        self.pair = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(16)

    def register(self, challenge: str, **more: object) -> str:
        """Return what a browser answers about a new passkey."""
        point = self.pair.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        made = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor.encode(public)
        data = _data(PRESENT | VERIFIED | ATTESTED) + made
        attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": websafe_encode(_client("webauthn.create", challenge)),
            "attestationObject": websafe_encode(attested),
        }
        return self._answer(response, {"credProps": {"rk": True}}, **more)

    def prove(self, challenge: str, user: User, flags: int = PRESENT | VERIFIED) -> str:
        """Return what a browser answers when the key has signed a challenge."""
        data, client = _data(flags), _client("webauthn.get", challenge)
        signature = self.pair.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": websafe_encode(client),
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(signature),
            "userHandle": websafe_encode(user.public_id.bytes),
        }
        return self._answer(response, {})

    def _answer(self, response: dict[str, str], extensions: dict[str, Any], **more: object) -> str:
        named = {"id": websafe_encode(self.id), "rawId": websafe_encode(self.id), "type": "public-key"}
        return json.dumps({**named, "response": response, "clientExtensionResults": extensions, **more})


def challenge_of(client: Client) -> str:
    """Return the challenge that a session waits for."""
    return str(client.session["mfa.webauthn.state"]["challenge"])


def with_passkey(user: User, method: str = "code", **more: object) -> tuple[Client, Key]:
    """Return a browser in which ``user`` has just added a first passkey, and the key that holds it."""
    client, key = signed_in(user, method=method), Key()
    client.get("/accounts/factors/passkeys/add/")
    credential = key.register(challenge_of(client), **more)
    added = client.post("/accounts/factors/passkeys/add/", {"name": "key", "credential": credential})
    assert added.status_code == 302, added.content[:500]
    return client, key


def _data(flags: int) -> bytes:
    return hashlib.sha256(b"localhost").digest() + bytes([flags]) + struct.pack(">I", 1)


def _client(kind: str, challenge: str) -> bytes:
    return json.dumps({"type": kind, "challenge": challenge, "origin": ORIGIN, "crossOrigin": False}).encode()
