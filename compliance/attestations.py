"""Attestations: what no machine can know, vouched for by a named person, for one release and for a time.

In public stand the role, a salted digest, the statement and what was signed; the name is in a table of its own.
"""

import datetime
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
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
# Runs that write down what they are held to before they begin; a later one was not what somebody had read.
RUNS = ("evaluation", "red_team")


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
    mine = [each for each in standing(signed, now=now) if each.person == person.public_id]
    if _of_now(signed.statement, mine):
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
    """Return the attestations that count now for what is signed, newest first: those that the evidence holds too."""
    rows = Attestation.objects.filter(
        statement=signed.statement.id,
        statement_sha256=signed.statement.sha256,
        signed_off=str(signed.signed_off),
        withdrawn_at=None,
        expires_at__gt=now,
    )
    return [row for row in rows.order_by("-id") if not _unproven(row)]


def outcome(asked: Statement, *, now: datetime.datetime | None = None) -> Outcome:
    """Return whether enough people vouch for a statement now: not_run when nobody did, fail when it has lapsed."""
    now = now or timezone.now()
    rows = list(Attestation.objects.filter(statement=asked.id).order_by("-id"))
    if not rows:
        return NotRun(f"nobody has attested it ({_asked(asked)})")
    try:
        signed = signing(asked.id)
    except NothingToSign:
        return Failed("no release is on record any more")
    valid = standing(signed, now=now)
    if _enough(asked, of_now := _of_now(asked, valid)):
        valid = of_now  # those who signed again after the newest run; what they signed before it counts no more
    if not _enough(asked, valid):
        for row in rows:
            if row not in valid and (why := _lapsed(row, signed, now)):
                return Failed(f"the attestation of the {row.role} {why}", record=_number(row))
        return NotRun(f"{_people(valid)} attested it, asked for: {_asked(asked)}")
    if asked.rests_on and (missing := _rests_on_nothing(asked.rests_on, signed_from=min(map(_number, valid)))):
        return missing
    until = min(each.expires_at for each in valid)
    roles = ", ".join(sorted(each.role for each in valid))
    return Passed(f"{roles}, until {until:%Y-%m-%d}", record=_number(valid[0]))


def _enough(asked: Statement, valid: Iterable[Attestation]) -> bool:
    """Whether different people stand in every role that is asked for; each of them counts once."""
    valid = list(valid)
    # Nobody's attestation stands twice for the same release, so a person has one role only.
    return _people(valid) >= asked.people and set(asked.roles) <= {each.role for each in valid}


def _people(valid: Iterable[Attestation]) -> int:
    """Return how many people these are: neither a second account nor a second signature makes another one.

    Two of the same name have to write it so that they can be told apart.
    """
    valid = list(valid)
    return min(len({each.person for each in valid}), len({" ".join(each.name.casefold().split()) for each in valid}))


def _finished(kind: str) -> QuerySet[EvidenceRecord]:
    """Return the runs of a kind that came to their end, newest first."""
    return EvidenceRecord.objects.filter(kind=kind).exclude(body__contains={"phase": "begun"}).order_by("-number")


def _of_now(asked: Statement, rows: list[Attestation]) -> list[Attestation]:
    """Return the attestations that came after what their statement rests on: the newest run, or any other record."""
    if not asked.rests_on:
        return rows
    found = _finished(asked.rests_on)
    needed = found.first() if asked.rests_on in RUNS else found.last()
    return [row for row in rows if needed is None or _number(row) > needed.number]


def _rests_on_nothing(kind: str, *, signed_from: int) -> NotRun | None:
    """Return what is missing when what people vouch for came after they signed, in record ``signed_from``."""
    finished = _finished(kind)
    if not finished.exists():
        return NotRun(f"it rests on evidence of the kind {kind}, and none is on record")
    if not finished.filter(number__lt=signed_from).exists():
        return NotRun(f"it was signed before there was evidence of the kind {kind}")
    newest = finished[0]
    if kind in RUNS and newest.number > signed_from:
        return NotRun(f"it was signed before the {kind} that is on record now", record=newest.number)
    return None


def _lapsed(row: Attestation, signed: Signing, now: datetime.datetime) -> str:
    if row.withdrawn_at:
        return f"was withdrawn on {row.withdrawn_at:%Y-%m-%d} ({row.withdrawal_reason})"
    if row.expires_at <= now:
        return f"expired on {row.expires_at:%Y-%m-%d}"
    if row.statement_sha256 != signed.statement.sha256:
        return f"is of other words: {row.statement_sha256}, now {signed.statement.sha256}"
    if row.signed_off != str(signed.signed_off):
        return f"is of the release {row.signed_off}, the newest is {signed.signed_off}"
    return _unproven(row)


def _unproven(row: Attestation) -> str:
    """Return why a row is not what the evidence holds, "" when it is: the table alone could be written by anybody."""
    head = Head.parse(row.evidence)
    record = EvidenceRecord.objects.filter(kind=KIND, number=head.number, sha256=head.sha256).first()
    if record is None:
        return "is not in the evidence"
    said, now = dict(record.body), _public(row)
    # A day earlier only takes something away; a later one would prolong what was signed.
    if now.pop("expires_on") > str(said.pop("expires_on", "")) or now != said:
        return "is not what the evidence says of it"
    taken_back = EvidenceRecord.objects.filter(kind=WITHDRAWN_KIND, body__attestation=str(row.public_id)).first()
    return f"was withdrawn in record {taken_back.number}" if taken_back else ""


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
