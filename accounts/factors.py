"""Second factors and passkeys: added, used, named, removed. Only this module knows allauth's insides about them."""

import struct
import uuid
from typing import Any

from allauth.core.internal.cryptokit import compare_user_code
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    clear_totp_secret,
    format_hotp_value,
    get_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from allauth.mfa.utils import decrypt
from allauth.mfa.webauthn.internal import auth as webauthn
from cryptography.exceptions import UnsupportedAlgorithm
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import UserVerificationRequirement

from accounts import mailqueue, proof, sessions
from accounts.errors import FactorRefused
from accounts.models import User
from compliance import audit

MOST_PASSKEYS = 20
MAX_NAME_CHARS = 60
LAST_COUNTER = "last_counter"  # in an app's row: the half minute of the newest code that was used
Type = Authenticator.Type
# What fido2 and allauth raise over a credential that is not what it should be; it comes from outside.
UNUSABLE = (
    ValidationError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RecursionError,
    NotImplementedError,
    UnsupportedAlgorithm,
    struct.error,
)


def of(user: User) -> dict[str, Any]:
    """Return a person's passkeys, their app and the number of recovery codes left (None without codes)."""
    rows = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    codes = next((row for row in rows if row.type == Type.RECOVERY_CODES), None)
    return {
        "passkeys": [row for row in rows if row.type == Type.WEBAUTHN],
        "app": next((row for row in rows if row.type == Type.TOTP), None),
        "codes_left": len(RecoveryCodes(codes).get_unused_codes()) if codes else None,
    }


def has_any(user: User) -> bool:
    """Whether a person has a passkey or an app."""
    return Authenticator.objects.filter(user=user, type__in=[Type.TOTP, Type.WEBAUTHN]).exists()


def opened_by(user: User) -> tuple[str, ...]:
    """Return which proofs let a person see or change their factors: one of them, once there is one.

    Before that a code by mail; for staff the operator's link, because a mailbox alone must not lead to the workbench.
    """
    if has_any(user):
        return (proof.FACTOR,)
    return (proof.LINK,) if user.is_staff else proof.FRESH


# --- passkeys ---


def passkey_to_add(user: User) -> dict[str, Any]:
    """Return what a browser needs to make a passkey; the challenge is kept in the session."""
    return webauthn.begin_registration(user, passwordless=True)


def add_passkey(request: HttpRequest, user: User, name: str, credential: Any) -> None:
    """Keep a passkey that a browser has made for ``passkey_to_add``. Raises FactorRefused."""
    held = Authenticator.objects.filter(user=user, type=Type.WEBAUTHN).count()
    if held >= MOST_PASSKEYS:
        raise FactorRefused
    try:
        webauthn.complete_registration(credential)
        kept = _kept(credential)
    except UNUSABLE as error:
        raise FactorRefused from error
    name = _shown(name) or _("Passkey %(number)d") % {"number": held + 1}
    with transaction.atomic():
        added = webauthn.WebAuthn.add(user, name, kept).instance
        _added(request, user, added)


def rename_passkey(user: User, pk: int, name: str) -> None:
    """Give a passkey another name."""
    with transaction.atomic():
        row = Authenticator.objects.select_for_update().filter(user=user, pk=pk, type=Type.WEBAUTHN).first()
        if row is not None and _shown(name):
            row.data["name"] = _shown(name)
            row.save(update_fields=["data"])


def passkey_to_use(user: User | None = None) -> dict[str, Any]:
    """Return what a browser needs to prove a passkey: one of ``user``, or any of this site's that it has."""
    return webauthn.begin_authentication(user)


def passkey_of(credential: Any) -> Authenticator:
    """Return the passkey, and with it the person, that a browser has proven for this session's challenge.

    Raises FactorRefused.
    """
    try:
        webauthn.parse_authentication_response(credential)
        handle = websafe_decode(credential["response"]["userHandle"])
        user = User.objects.filter(public_id=uuid.UUID(bytes=handle)).first()
        if user is None:
            raise FactorRefused
        return prove_passkey(user, credential)
    except UNUSABLE as error:
        raise FactorRefused from error


def prove_passkey(user: User, credential: Any) -> Authenticator:
    """Return the passkey of ``user`` that was proven. Raises FactorRefused.

    A challenge that did not ask the device to check who holds it is worth nothing here, whoever it was made for.
    """
    state = webauthn.get_state()
    if not state or state.get("user_verification") != UserVerificationRequirement.REQUIRED:
        raise FactorRefused
    try:
        webauthn.parse_authentication_response(credential)
        return webauthn.complete_authentication(user, credential)
    except UNUSABLE as error:
        raise FactorRefused from error


# --- app and recovery codes ---


def app_secret(*, fresh: bool = False) -> str:
    """Return the secret of the app that is being added, kept in the session until then."""
    return get_totp_secret(regenerate=fresh)


def add_app(request: HttpRequest, user: User, code: str) -> None:
    """Keep the app whose secret is in the session, once it shows the right code. Raises FactorRefused."""
    counter = _counter_of(app_secret(), code)
    if counter is None:
        raise FactorRefused
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        if Authenticator.objects.filter(user=user, type=Type.TOTP).exists():
            raise FactorRefused
        added = TOTP.activate(user, app_secret()).instance
        _use_up(added, counter)
        _added(request, user, added)
    clear_totp_secret(request)


@transaction.atomic
def prove_code(user: User, code: str) -> Authenticator:
    """Return the app, or the recovery codes, that a typed code belongs to; a code works once. Raises FactorRefused.

    What was used is in the row, which is ours meanwhile: neither two at once nor an empty cache let a code in twice.
    The caller counts the tries.
    """
    rows = Authenticator.objects.select_for_update().filter(user=user)
    app = rows.filter(type=Type.TOTP).first()
    if app is not None:
        counter = _counter_of(decrypt(app.data["secret"]), code)
        if counter is not None and counter > app.data.get(LAST_COUNTER, -1):
            _use_up(app, counter)
            return app
    codes = rows.filter(type=Type.RECOVERY_CODES).first()
    if codes is not None and RecoveryCodes(codes).validate_code(code):
        return codes
    raise FactorRefused


def recovery_codes(user: User) -> list[str]:
    """Return the recovery codes that were not used yet."""
    row = Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).first()
    return RecoveryCodes(row).get_unused_codes() if row else []


@transaction.atomic
def renew_recovery_codes(request: HttpRequest, user: User) -> None:
    """Replace the recovery codes; those of before open nothing any more, nor do sessions that have shown one.

    Except this one, whose proof is fresh. Nothing for somebody without a factor.
    """
    User.objects.select_for_update().get(pk=user.pk)
    if not has_any(user):
        return
    Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).delete()
    row = RecoveryCodes.activate(user).instance
    proof.record(request, user, proof.FACTOR, id=row.pk, type=row.type)
    audit.record("account.recovery-codes-renewed", actor=user, object_kind="user", object_id=user.public_id)


# --- removing ---


@transaction.atomic
def remove(user: User, pk: int) -> None:
    """Remove a passkey or the app; the recovery codes go with the last. Raises FactorRefused for staff's last one."""
    User.objects.select_for_update().get(pk=user.pk)
    factors = Authenticator.objects.filter(user=user, type__in=[Type.TOTP, Type.WEBAUTHN])
    row = factors.filter(pk=pk).first()
    if row is None:
        return
    if user.is_staff and factors.count() == 1:
        raise FactorRefused
    row.delete()
    if not factors.exists():
        Authenticator.objects.filter(user=user).delete()
    mailqueue.queue(user, "factors-changed")
    audit.record("account.factor-removed", actor=user, object_kind="user", object_id=user.public_id, type=row.type)


def used(request: HttpRequest, row: Authenticator, *, passwordless: bool = False) -> dict[str, Any]:
    """Note that a factor was used just now, and return the facts for ``proof.record``."""
    row.record_usage()
    facts: dict[str, Any] = {"id": row.pk, "type": row.type}
    return {**facts, "passwordless": True} if passwordless else facts


def _added(request: HttpRequest, user: User, row: Authenticator) -> None:
    if user.is_staff and not _others(user, row):
        # Until now less opened a session; whoever holds one must not meet the factor from within.
        sessions.end_others(user, request.session.session_key or "")
    if not Authenticator.objects.filter(user=user, type=Type.RECOVERY_CODES).exists():
        RecoveryCodes.activate(user)
    # Who has just made a passkey or typed the app's code holds it.
    proof.record(request, user, proof.FACTOR, id=row.pk, type=row.type)
    mailqueue.queue(user, "factors-changed")
    audit.record("account.factor-added", actor=user, object_kind="user", object_id=user.public_id, type=row.type)


def _others(user: User, row: Authenticator) -> bool:
    return Authenticator.objects.filter(user=user, type__in=[Type.TOTP, Type.WEBAUTHN]).exclude(pk=row.pk).exists()


def _counter_of(secret: str, code: str) -> int | None:
    """Return the half minute in which an app with this secret shows ``code``: the present one, or one beside it."""
    for counter in yield_hotp_counters_from_time():
        if compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, counter))):
            return counter
    return None


def _use_up(app: Authenticator, counter: int) -> None:
    app.data[LAST_COUNTER] = counter
    app.save(update_fields=["data"])


def _kept(credential: Any) -> dict[str, Any]:
    """Return of a browser's answer what is read again, written by us; the rest is whatever the sender liked."""
    read = webauthn.parse_registration_response(credential)
    resident = (read.client_extension_results.get("credProps") or {}).get("rk") is True
    return {
        "id": websafe_encode(read.raw_id),
        "rawId": websafe_encode(read.raw_id),
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(read.response.client_data),
            "attestationObject": websafe_encode(read.response.attestation_object),
        },
        "clientExtensionResults": {"credProps": {"rk": resident}},
    }


def _shown(name: str) -> str:
    """Return a name without letters that cannot be shown, some of which no column takes."""
    return "".join(filter(str.isprintable, name)).strip()[:MAX_NAME_CHARS]
