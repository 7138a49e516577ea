"""Attestations: what no machine can know, vouched for by a named person, for one release and for a time.

In public stand the role, a salted digest, the statement and what was signed; the name is in a table of its own.
"""

import datetime
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from compliance import audit, chain, evidence
from compliance.alarms import Sentence, alarm
from compliance.chain import Head
from compliance.errors import AlreadyAttested, NothingToSign, RoleNotAsked
from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from compliance.models import Attestation, AttestingRole, EvidenceRecord, WithdrawalReason
from compliance.statements import Statement, statement, statements

KIND, WITHDRAWN_KIND = "attestation", "attestation_withdrawn"
WARN_DAYS = 14


@dataclass(frozen=True, slots=True)
class Signing:
    """What somebody is about to sign: a statement as it is worded now, about the newest release."""

    statement: Statement
    release: str
    signed_off: Head


def signing(id: str) -> Signing:
    """Return what an attestation of this statement would sign now. Raises UnknownStatement, NothingToSign."""
    asked = statement(id)
    record = evidence.latest("release")
    if record is None:
        raise NothingToSign
    return Signing(asked, record.release, Head(record.number, record.sha256))


@transaction.atomic
def attest(id: str, *, person: audit.Person, name: str, role: str) -> Attestation:
    """Vouch for a statement about the newest release, as ``person``, who has typed their ``name``.

    Raises UnknownStatement, NothingToSign, RoleNotAsked, AlreadyAttested.
    """
    chain.lock(EvidenceRecord)  # two who sign at once do so one after the other
    now = timezone.now()
    signed = signing(id)
    if role not in (signed.statement.roles or AttestingRole.values):
        raise RoleNotAsked(role)
    if any(each.person == person.public_id for each in standing(signed, now=now)):
        raise AlreadyAttested(id)
    row = Attestation(
        statement=id,
        statement_sha256=signed.statement.sha256,
        person=person.public_id,
        name=name,
        role=role,
        salt=secrets.token_hex(32),
        release=signed.release,
        signed_off=str(signed.signed_off),
        attested_at=now,
        expires_at=now + datetime.timedelta(days=signed.statement.days),
    )
    record = evidence.record(KIND, _public(row), release=row.release)
    row.evidence = str(Head(record.number, record.sha256))
    row.save(force_insert=True)
    audit.record(
        "attestation.made",
        actor=person,
        object_kind="attestation",
        object_id=row.public_id,
        statement=id,
        role=role,
        evidence=record.number,
    )
    return row


@transaction.atomic
def withdraw(row: Attestation, *, by: audit.Person | str, reason: str) -> bool:
    """Take an attestation back; the gate that rests on it closes at once. False when that was done before."""
    chain.lock(EvidenceRecord)
    changed = Attestation.objects.filter(pk=row.pk, withdrawn_at=None)
    reason = WithdrawalReason(reason)
    if not changed.update(withdrawn_at=timezone.now(), withdrawal_reason=reason):
        return False
    record = evidence.record(
        WITHDRAWN_KIND,
        {
            "attestation": str(row.public_id),
            "statement": row.statement,
            "reason": reason,
            "withdraws": row.evidence,
        },
        release=row.release,
    )
    audit.record(
        "attestation.withdrawn",
        actor=by,
        object_kind="attestation",
        object_id=row.public_id,
        statement=row.statement,
        reason=reason,
        evidence=record.number,
    )
    row.refresh_from_db()
    return True


def forget(person: uuid.UUID) -> int:
    """Withdraw what somebody who leaves vouched for, and delete the name and the salt. Returns how many there were."""
    rows = list(Attestation.objects.filter(person=person))
    for row in rows:
        withdraw(row, by=audit.SYSTEM, reason=WithdrawalReason.PERSON_LEFT)
    Attestation.objects.filter(person=person).update(name="", salt="")
    return len(rows)


def standing(signed: Signing, *, now: datetime.datetime) -> list[Attestation]:
    """Return the attestations that count now for what is signed, newest first."""
    rows = Attestation.objects.filter(
        statement=signed.statement.id,
        statement_sha256=signed.statement.sha256,
        signed_off=str(signed.signed_off),
        withdrawn_at=None,
        expires_at__gt=now,
    )
    return list(rows.order_by("-id"))


def outcome(asked: Statement, *, now: datetime.datetime | None = None) -> Outcome:
    """Return whether enough people vouch for a statement now: not_run when nobody did, fail when it has lapsed."""
    now = now or timezone.now()
    rests_on = evidence.latest(asked.rests_on) if asked.rests_on else None
    rows = list(Attestation.objects.filter(statement=asked.id).order_by("-id"))
    if not rows:
        return NotRun(f"nobody has attested it ({_asked(asked)})")
    try:
        signed = signing(asked.id)
    except NothingToSign:
        return Failed("no release is on record any more")
    valid = standing(signed, now=now)
    if not _enough(asked, valid):
        for row in rows:
            if row not in valid and (why := _lapsed(row, signed, now)):
                return Failed(f"the attestation of the {row.role} {why}", record=_number(row))
        return NotRun(f"{len({each.person for each in valid})} attested it, asked for: {_asked(asked)}")
    if asked.rests_on and rests_on is None:
        return NotRun(f"it rests on evidence of the kind {asked.rests_on}, and none is on record")
    until = min(each.expires_at for each in valid)
    roles = ", ".join(sorted(each.role for each in valid))
    return Passed(f"{roles}, until {until:%Y-%m-%d}", record=_number(valid[0]))


def _enough(asked: Statement, valid: Iterable[Attestation]) -> bool:
    """Whether different people stand in every role that is asked for; each of them counts once."""
    people = {each.person for each in valid}
    # Nobody's attestation stands twice for the same release, so a person has one role only.
    return len(people) >= asked.people and set(asked.roles) <= {each.role for each in valid}


def _lapsed(row: Attestation, signed: Signing, now: datetime.datetime) -> str:
    if row.withdrawn_at:
        return f"was withdrawn on {row.withdrawn_at:%Y-%m-%d} ({row.withdrawal_reason})"
    if row.expires_at <= now:
        return f"expired on {row.expires_at:%Y-%m-%d}"
    if row.statement_sha256 != signed.statement.sha256:
        return f"is of other words: {row.statement_sha256}, now {signed.statement.sha256}"
    if row.signed_off != str(signed.signed_off):
        return f"is of the release {row.signed_off}, the newest is {signed.signed_off}"
    return ""


def _asked(asked: Statement) -> str:
    if asked.roles:
        return " and ".join(asked.roles)
    return "one person" if asked.people == 1 else f"{asked.people} people"


def _number(row: Attestation) -> int:
    return Head.parse(row.evidence).number


def _public(row: Attestation) -> dict[str, str]:
    return {
        "attestation": str(row.public_id),
        "statement": row.statement,
        "statement_sha256": row.statement_sha256,
        "role": row.role,
        "person": audit.salted(row.salt, f"{row.person}\n{row.name}"),
        "signed_off": row.signed_off,
        "expires_on": f"{row.expires_at.astimezone(datetime.UTC):%Y-%m-%d}",
    }


@alarm("attestations")
def lapsing_alarm() -> list[Sentence]:
    """Say which statements that stood before will not stand, or do not any more."""
    now = timezone.now()
    found: list[Sentence] = []
    soon = now + datetime.timedelta(days=WARN_DAYS)
    for each in statements():
        if isinstance(outcome(each, now=now), Failed):
            found.append(gettext("The attestation “%(title)s” does not count any more.") % {"title": each.title})
        elif isinstance(outcome(each, now=now), Passed) and isinstance(outcome(each, now=soon), Failed):
            found.append(gettext("The attestation “%(title)s” expires within two weeks.") % {"title": each.title})
    return found


def _register(asked: Statement) -> None:
    @gate(f"attested-{asked.id}", tags={"ai-act"}, title=f"attested by name: {asked.title_en}")
    def attested_gate() -> Outcome:
        return outcome(asked)


for _each in statements():
    _register(_each)
