"""What each kind of evidence must say. ``evidence.record`` refuses a body that does not fit its kind.

A record holds no numbers with a point, which may read back differently: a share is in millionths (``_ppm``), energy in
millijoules (``_mj``), and a count that may be too large for a reader's numbers, such as operations of a training, is a
string of digits. Moments and days are ISO 8601 in UTC. A person is a role and a salted digest. A writer may say more
than is asked for here; what is named must have its type.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from compliance.errors import DoesNotFit, UnknownKind

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
MaybeSha256 = Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?\Z")]
HeadText = Annotated[str, Meta(pattern=r"^[0-9]+:[0-9a-f]{64}\Z")]
Digits = Annotated[str, Meta(pattern=r"^[0-9]{1,40}\Z")]
Moment = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|\+00:00)\Z")]
Day = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Code = Annotated[str, Meta(pattern=r"^[\w.:/+-]{1,80}\Z")]
Count = Annotated[int, Meta(ge=0)]
State = Literal["pass", "fail", "not_run"]


class GateCheck(Struct):
    id: Code
    result: State
    reason: str
    record: Count | None = None


class GateRun(Struct):
    """One run of a gate. ``record`` of a check is the number of the evidence that it rests on."""

    gate: Code
    result: State
    note: str
    checks: list[GateCheck]


class ChainHead(Struct):
    """What the daily check of both chains found."""

    audit: str
    evidence: str
    intact: bool
    broken: dict[str, Any] = msgspec.field(default_factory=dict)


class Retention(Struct):
    """Counts of deletions since the record before; ``oldest_remaining_s`` is the age of the oldest stored text."""

    deleted_messages: Count
    deleted_conversations: Count = 0
    oldest_remaining_s: int | None = None


class Artifact(Struct):
    """One thing that a release is made of; ``parts`` are the digests it was summed up from."""

    sha256: Sha256
    parts: dict[str, Sha256] = msgspec.field(default_factory=dict)


class Release(Struct):
    """What stands behind the site under one name. ``models`` are the numbers of their records."""

    name: Code
    artifacts: dict[str, Artifact]
    models: list[Count]
    git_commit: str = ""
    supersedes: str = ""
    rollback_target: str = ""


class Base(Struct):
    name: str
    licence: str
    source: str
    revision: str = ""


class Training(Struct):
    """Our own training of a model. ``ratio`` is its compute against the base's in millionths, both as digits."""

    compute_flop: Digits
    ratio_ppm: Digits
    method: str = ""
    energy_kwh: Digits | None = None


class Model(Struct):
    """One registered model. ``digest`` says whether our own server compared the weights before it loaded them."""

    public_id: Code
    weights_sha256: MaybeSha256
    base: Base
    training: Training
    digest: Literal["checked", "declared"] = "declared"
    name: str = ""
    tier: str = ""
    parameters: Count | None = None
    quantisation: str = ""
    adapter_sha256: MaybeSha256 = ""
    languages: list[str] = msgspec.field(default_factory=list)
    runtime: str = ""
    runtime_version: str = ""


class Dataset(Struct):
    """A training set; ``rows`` 0 is a set too, of nothing."""

    sha256: Sha256
    rows: Count


class Metric(Struct):
    """A share in millionths with its Wilson interval and the bound it was held against; ``verdict`` pass or fail."""

    name: str
    value_ppm: int
    verdict: str
    low_ppm: int | None = None
    high_ppm: int | None = None
    threshold_ppm: int | None = None


class Evaluation(Struct):
    """One model on one rung in one language against one suite. ``raw_sha256`` is the digest of the answers' file."""

    suite_sha256: Sha256
    thresholds_sha256: Sha256
    model: str
    weights_sha256: MaybeSha256
    rung: str
    language: str
    n: Count
    metrics: list[Metric]
    raw_sha256: MaybeSha256


class RedTeam(Struct):
    """One run of probes. A probe whose detector does not fire at a target that obeys is void, not passed."""

    tool: str
    version: str
    probes: list[Any]
    attempts: Count
    hits: Count
    positive_control: Any
    thresholds_sha256: Sha256


class Finding(Struct):
    """What staff decided about something that a red-team run found."""

    finding: str
    state: Code


class Oversight(Struct):
    """A measure by which people oversee what a tier may do, as it was tried."""

    tier: Code
    measure: str


class Incident(Struct):
    """An incident as it was opened or closed. What staff wrote about it for readers appears by its digest."""

    incident: str
    kind: Code
    severity: Code
    source: Code
    state: Code
    opened_at: Moment
    deadline: Moment | None = None
    closed_at: Moment | None = None
    outcome: str = ""
    summary_sha256: dict[str, MaybeSha256] = msgspec.field(default_factory=dict)


class Literacy(Struct):
    """A session in which people learned what the system can and cannot do (AI Act, article 4)."""

    held_on: Day
    audience: Code
    content_version: str
    attendance: Count
    owner: str
    refresh_by: Day | None = None


class Attestation(Struct):
    """What a named person vouches for; the name is elsewhere. ``signed_off`` is the head of the release's record."""

    attestation: str
    statement: Code
    statement_sha256: Sha256
    role: Code
    person: str
    signed_off: HeadText
    expires_on: Day


class AttestationWithdrawn(Struct):
    attestation: str
    statement: Code
    reason: Code
    withdraws: HeadText


KINDS: dict[str, type[Struct]] = {
    "attestation": Attestation,
    "attestation_withdrawn": AttestationWithdrawn,
    "chain_head": ChainHead,
    "dataset": Dataset,
    "evaluation": Evaluation,
    "finding": Finding,
    "gate": GateRun,
    "incident": Incident,
    "literacy": Literacy,
    "model": Model,
    "oversight": Oversight,
    "red_team": RedTeam,
    "release": Release,
    "retention": Retention,
}


def check(kind: str, body: Mapping[str, Any]) -> None:
    """Raises UnknownKind, or DoesNotFit with the place of the first thing that is missing or of another type."""
    if kind not in KINDS:
        raise UnknownKind(kind)
    try:
        msgspec.convert(body, KINDS[kind])
    except msgspec.ValidationError as error:
        raise DoesNotFit(f"{kind}: {error}") from None
