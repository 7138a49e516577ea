"""What the evidence says, read into rows that a page and a program can show. Each row names the record it rests on."""

import datetime
from collections.abc import Iterator
from typing import Any

import msgspec
from django.db.models import IntegerField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from compliance import kinds
from compliance.chain import Head
from compliance.models import EvidenceRecord, Incident
from compliance.statements import statements
from inference.models import Model

PPM_PER_PERCENT = 10_000
# A run writes down what it is held to before its first question; what it found comes in a record of its own.
BEGUN = "begun"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """``record`` is the number of the evidence record, ``at`` when it was written."""

    record: int
    at: datetime.datetime


class ReleaseRow(Row, frozen=True, kw_only=True):
    name: str
    git_commit: str
    artifacts: dict[str, str]  # sha256 by name
    head: str


class ModelRow(Row, frozen=True, kw_only=True):
    """A model card. ``registered`` is None for a model that this site does not have any more.

    ``compute_flop`` of our own training and ``ratio_ppm``, its share of the base's in millionths, are digits.
    """

    public_id: str
    name: str
    tier: str
    weights_sha256: str
    digest: str
    base: str
    licence: str
    source: str
    revision: str
    parameters: int | None
    quantisation: str
    adapter_sha256: str
    languages: list[str]
    runtime: str
    compute_flop: str
    ratio_ppm: str
    training_method: str
    registered: "Registered | None" = None


class Registered(msgspec.Struct, frozen=True):
    """What the registry holds of a model now. ``same_weights``: its fingerprint is the recorded one."""

    enabled: bool
    hardware: str
    languages: list[str]
    max_output_tokens: int
    watermark_key: str
    same_weights: bool


class Share(msgspec.Struct, frozen=True):
    """A share with its 95 % interval and bound in millionths; ``verdict`` is pass, fail or reported."""

    name: str
    value_ppm: int
    low_ppm: int
    high_ppm: int
    threshold_ppm: int | None
    verdict: str
    n: int

    @property
    def value(self) -> float:
        return self.value_ppm / PPM_PER_PERCENT

    @property
    def low(self) -> float:
        return self.low_ppm / PPM_PER_PERCENT

    @property
    def high(self) -> float:
        return self.high_ppm / PPM_PER_PERCENT

    @property
    def threshold(self) -> float | None:
        return None if self.threshold_ppm is None else self.threshold_ppm / PPM_PER_PERCENT


class EvaluationRow(Row, frozen=True, kw_only=True):
    model: str
    rung: str
    language: str
    n: int
    suite_sha256: str
    thresholds_sha256: str
    weights_sha256: str
    metrics: list[Share]


class ProbeRow(msgspec.Struct, frozen=True):
    """``void``: its detector did not fire at a target that obeys, so that nothing follows from its passing."""

    id: str
    attempts: int
    hits: int
    void: bool


class RedTeamRow(Row, frozen=True, kw_only=True):
    tool: str
    version: str
    name: str
    attempts: int
    hits: int
    void: int
    probes: list[ProbeRow]


class RetentionRow(Row, frozen=True, kw_only=True):
    """The newest count of deletions, and the sums over all records."""

    deleted_messages: int
    deleted_conversations: int
    oldest_remaining_s: int | None
    records: int
    all_messages: int
    all_conversations: int


class AttestationRow(Row, frozen=True, kw_only=True):
    """``state``: valid, expired, withdrawn, or superseded: signed for an earlier release or in other words."""

    statement: str
    role: str
    signed_off: str
    expires_on: datetime.date
    state: str


class GateRow(Row, frozen=True, kw_only=True):
    gate: str
    result: str
    passed: int
    failed: int
    not_run: int
    blocking: list[str]


class IncidentRow(Row, frozen=True, kw_only=True):
    incident: str
    kind: str
    severity: str
    state: str
    opened_at: str
    closed_at: str | None
    outcome: str
    summary: dict[str, str] = {}


def release() -> ReleaseRow | None:
    """Return the newest release on record."""
    for record, body in _read("release", kinds.Release):
        artifacts = {name: one.sha256 for name, one in sorted(body.artifacts.items())}
        head = str(Head(record.number, record.sha256))
        return ReleaseRow(
            record=record.number,
            at=record.at,
            name=body.name,
            git_commit=body.git_commit,
            artifacts=artifacts,
            head=head,
        )
    return None


def model_cards() -> list[ModelRow]:
    """Return the newest card of each model, those that are registered first."""
    registry = {row.public_id: row for row in Model.objects.all()}
    found: dict[str, ModelRow] = {}
    for record, body in _read("model", kinds.Model):
        if body.public_id not in found:
            found[body.public_id] = _card(record, body, registry.get(body.public_id))
    return sorted(found.values(), key=lambda card: (card.registered is None, card.public_id))


def unrecorded_models() -> list[str]:
    """Return the public ids of registered models without a card."""
    with_card = set(EvidenceRecord.objects.filter(kind="model").values_list("body__public_id", flat=True))
    return sorted(set(Model.objects.values_list("public_id", flat=True)) - with_card)


def evaluations() -> list[EvaluationRow]:
    """Return the newest evaluation of each model on each rung in each language."""
    found: dict[tuple[str, str, str], EvaluationRow] = {}
    for record, body in _read("evaluation", kinds.Evaluation):
        if record.body.get("phase") == BEGUN:
            continue
        counts = {metric["name"]: metric.get("n") for metric in record.body["metrics"]}
        row = EvaluationRow(
            record=record.number,
            at=record.at,
            model=body.model,
            rung=body.rung,
            language=body.language,
            n=body.n,
            suite_sha256=body.suite_sha256,
            thresholds_sha256=body.thresholds_sha256,
            weights_sha256=body.weights_sha256,
            metrics=[_share(metric, counts.get(metric.name) or body.n) for metric in body.metrics],
        )
        found.setdefault((row.model, row.rung, row.language), row)
    return [found[key] for key in sorted(found)]


def red_team() -> list[RedTeamRow]:
    """Return the newest run of each tool and slice, void probes with it."""
    found: dict[tuple[str, str], RedTeamRow] = {}
    for record, body in _read("red_team", kinds.RedTeam):
        if record.body.get("phase") == BEGUN:
            continue
        name = " ".join(str(record.body[key]) for key in ("slice", "target", "model") if record.body.get(key))
        probes = [_probe(each) for each in body.probes if isinstance(each, dict)]
        row = RedTeamRow(
            record=record.number,
            at=record.at,
            tool=body.tool,
            version=body.version,
            name=name,
            attempts=body.attempts,
            hits=body.hits,
            void=sum(probe.void for probe in probes),
            probes=probes,
        )
        found.setdefault((row.tool, row.name), row)
    return [found[key] for key in sorted(found)]


def retention() -> RetentionRow | None:
    """Return the newest record of deletions with the sums over all of them."""
    for record, body in _read("retention", kinds.Retention):
        all_of_them = EvidenceRecord.objects.filter(kind="retention")
        return RetentionRow(
            record=record.number,
            at=record.at,
            deleted_messages=body.deleted_messages,
            deleted_conversations=body.deleted_conversations,
            oldest_remaining_s=body.oldest_remaining_s,
            records=all_of_them.count(),
            all_messages=_sum("deleted_messages"),
            all_conversations=_sum("deleted_conversations"),
        )
    return None


def attestations(today: datetime.date) -> list[AttestationRow]:
    """Return what named persons vouch for, the newest of each statement and role. The names are not public."""
    newest = release()
    signable = {each.id: each.sha256 for each in statements()}
    withdrawn = {body.attestation for _record, body in _read("attestation_withdrawn", kinds.AttestationWithdrawn)}
    found: dict[tuple[str, str], AttestationRow] = {}
    for record, body in _read("attestation", kinds.Attestation):
        expires_on = datetime.date.fromisoformat(body.expires_on)
        states = {
            "withdrawn": body.attestation in withdrawn,
            "superseded": newest is None
            or body.signed_off != newest.head
            or body.statement_sha256 != signable.get(body.statement),
            "expired": expires_on < today,
            "valid": True,
        }
        state = next(name for name, holds in states.items() if holds)
        row = AttestationRow(
            record=record.number,
            at=record.at,
            statement=body.statement,
            role=body.role,
            signed_off=body.signed_off,
            expires_on=expires_on,
            state=state,
        )
        found.setdefault((row.statement, body.person), row)
    return sorted(found.values(), key=lambda row: (row.statement, row.record))


def unattested(found: list[AttestationRow]) -> list[str]:
    """Return the ids of the statements that fewer people vouch for now than must."""
    valid = [row.statement for row in found if row.state == "valid"]
    return [each.id for each in statements() if valid.count(each.id) < each.people]


def gates() -> list[GateRow]:
    """Return the newest recorded run of each gate, with the checks that keep it closed."""
    found: dict[str, GateRow] = {}
    for record, body in _read("gate", kinds.GateRun):
        states = [check.result for check in body.checks]
        row = GateRow(
            record=record.number,
            at=record.at,
            gate=body.gate,
            result=body.result,
            passed=states.count("pass"),
            failed=states.count("fail"),
            not_run=states.count("not_run"),
            blocking=[check.id for check in body.checks if check.result != "pass"],
        )
        found.setdefault(row.gate, row)
    return [found[key] for key in sorted(found)]


def incidents() -> list[IncidentRow]:
    """Return every incident that is on record, newest first: its state now, and what staff wrote for readers."""
    known = {str(row.public_id): row for row in Incident.objects.all()}
    found: dict[str, IncidentRow] = {}
    for record, body in _read("incident", kinds.Incident):
        now = known.get(body.incident)
        texts = {"en": now.summary_en, "fr": now.summary_fr} if now else {}
        row = IncidentRow(
            record=record.number,
            at=record.at,
            incident=body.incident,
            kind=body.kind,
            severity=body.severity,
            state=now.state if now else body.state,
            summary={language: text for language, text in texts.items() if text},
            opened_at=body.opened_at,
            closed_at=body.closed_at,
            outcome=body.outcome,
        )
        found.setdefault(row.incident, row)
    return list(found.values())


def _read(kind: str, shape: type[msgspec.Struct]) -> Iterator[tuple[EvidenceRecord, Any]]:
    """Yield the records of a kind, newest first, each with its body; one that is not of today's shape is left out."""
    for record in EvidenceRecord.objects.filter(kind=kind).order_by("-number").iterator(chunk_size=200):
        try:
            yield record, msgspec.convert(record.body, shape)
        except msgspec.ValidationError:
            continue


def _card(record: EvidenceRecord, body: kinds.Model, row: Model | None) -> ModelRow:
    now = (
        None
        if row is None
        else Registered(
            enabled=row.enabled,
            hardware=row.hardware,
            languages=list(row.languages),
            max_output_tokens=row.max_output_tokens,
            watermark_key=row.watermark_key,
            same_weights=row.weights_sha256 == body.weights_sha256,
        )
    )
    return ModelRow(
        record=record.number,
        at=record.at,
        public_id=body.public_id,
        name=body.name or body.base.name,
        tier=body.tier,
        weights_sha256=body.weights_sha256,
        digest=body.digest,
        base=body.base.name,
        licence=body.base.licence,
        source=body.base.source,
        revision=body.base.revision,
        parameters=body.parameters,
        quantisation=body.quantisation,
        adapter_sha256=body.adapter_sha256,
        languages=body.languages,
        runtime=f"{body.runtime} {body.runtime_version}".strip(),
        compute_flop=body.training.compute_flop,
        ratio_ppm=body.training.ratio_ppm,
        training_method=body.training.method,
        registered=now,
    )


def _share(metric: kinds.Metric, n: int) -> Share:
    low = metric.value_ppm if metric.low_ppm is None else metric.low_ppm
    high = metric.value_ppm if metric.high_ppm is None else metric.high_ppm
    return Share(metric.name, metric.value_ppm, low, high, metric.threshold_ppm, metric.verdict, n)


def _probe(said: dict[str, Any]) -> ProbeRow:
    return ProbeRow(
        id=str(said.get("id", "")),
        attempts=int(said.get("attempts", 0)),
        hits=int(said.get("hits", 0)),
        void=bool(said.get("void", False)),
    )


def _sum(name: str) -> int:
    count = Cast(KT(f"body__{name}"), IntegerField())
    total = EvidenceRecord.objects.filter(kind="retention").aggregate(total=Sum(count))["total"]
    return int(total or 0)
