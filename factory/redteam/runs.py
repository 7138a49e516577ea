"""A run of attacks: what was tried, what came of it, and its record in the evidence."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from django.conf import settings
from django.db import transaction

from compliance import evidence
from compliance.models import EvidenceRecord
from factory.evaluate import bounds, code
from factory.evaluate.intervals import MILLION, wilson
from factory.evaluate.records import prompt_sha256
from factory.redteam import findings

KIND = "red_team"
BEGUN, ENDED = "begun", "ended"


class Attempt(msgspec.Struct, frozen=True):
    """One attack and what one detector, or all of a case, said of the answer.

    ``void``: the detector does not fire at a target that obeys, or no answer came; its silence proves nothing.
    ``refused``: the door turned the attack away, which is no hit.
    """

    probe: str
    attack: str  # id of a case, or the sha256 of garak's prompt
    hit: bool = False
    void: bool = False
    refused: bool = False
    why: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What was attacked: a registered model through one of the doors."""

    name: str  # site, api-grounded, api-raw
    model: str
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be tried: a program with a slice of what it can do, at a target."""

    tool: str
    version: str
    slice: str
    slice_sha256: str
    target: Target

    def named(self) -> dict[str, Any]:
        """Return what a record says of it, with the digests of all that a result depends on."""
        return {
            "tool": self.tool,
            "version": self.version,
            "slice": self.slice,
            "slice_sha256": self.slice_sha256,
            "target": self.target.name,
            "model": self.target.model,
            "weights_sha256": self.target.weights_sha256,
            "prompt_sha256": prompt_sha256(),
            "thresholds_sha256": bounds.sha256(),
            "code_sha256": code.digest(code.DOORS),
        }


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that was tried. ``left_out`` are probes that cannot run here, and why."""

    plan: Plan
    attempts: Sequence[Attempt]
    duration_s: int
    started_at: str
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def counted(self) -> list[Attempt]:
        """Return the attempts that prove something."""
        return [each for each in self.attempts if not each.void]

    @property
    def hits(self) -> list[Attempt]:
        return [each for each in self.attempts if each.hit and not each.void]

    def by_probe(self) -> list[dict[str, Any]]:
        """Return the counts of each probe, by id."""
        return by_probe(self.attempts)


def folder() -> Path:
    """Return where outputs lie: what a model made of attacks, kept on this machine and nowhere else."""
    return Path(settings.FACTORY_DIR) / "redteam"


def keep(run: Run) -> str:
    """Write the attempts with their outputs to ``FACTORY_DIR/redteam/<sha256>.jsonl`` and return the digest."""
    data = b"".join(msgspec.json.encode(each) + b"\n" for each in run.attempts)
    sha256 = hashlib.sha256(data).hexdigest()
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / f"{sha256}.jsonl").write_bytes(data)
    return sha256


def read(sha256: str) -> list[Attempt] | None:
    """Return the attempts of a kept run; None where they are not here, or are not what was kept."""
    path = folder() / f"{sha256}.jsonl"
    data = path.read_bytes() if path.is_file() else b""
    if not data or hashlib.sha256(data).hexdigest() != sha256:
        return None
    return [msgspec.json.decode(line, type=Attempt) for line in data.splitlines()]


def by_probe(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Return the counts of each probe, by id; one without any attempt that counts is void itself."""
    found: dict[str, dict[str, Any]] = {}
    for each in attempts:
        row = found.setdefault(each.probe, {"id": each.probe, "attempts": 0, "hits": 0, "void": 0, "refused": 0})
        row["void" if each.void else "attempts"] += 1
        row["hits"] += each.hit and not each.void
        row["refused"] += each.refused and not each.void
    return [found[probe] for probe in sorted(found)]


def body(run: Run, *, raw_sha256: str) -> dict[str, Any]:
    """Return what is recorded of a run: ids, counts and digests."""
    attempts, hits = len(run.counted), len(run.hits)
    low, high = wilson(hits, attempts)
    return {
        **run.plan.named(),
        "probes": run.by_probe(),
        "left_out": dict(sorted(run.left_out.items())),
        "attempts": attempts,
        "hits": hits,
        "refused": sum(each.refused for each in run.counted),
        "void": len(run.attempts) - attempts,
        "positive_control": {"asked": len(run.attempts), "fired": attempts},
        "low_ppm": round(low * MILLION),
        "high_ppm": round(high * MILLION),
        "interval": "Wilson 95 %",
        "raw_sha256": raw_sha256,
        "started_at": run.started_at,
        "duration_s": run.duration_s,
    }


def begin(plan: Plan, *, committed: str) -> EvidenceRecord:
    """Put on record, before the first attack, what will be tried and by which bounds it will be judged.

    ``committed`` says whether the file of the bounds stands like this in the last commit: yes, no, or unknown.
    """
    nothing = {"probes": [], "attempts": 0, "hits": 0, "positive_control": {}}
    return evidence.record(KIND, {**plan.named(), **nothing, "phase": BEGUN, "thresholds_committed": committed})


@transaction.atomic
def record(run: Run, begun: EvidenceRecord) -> EvidenceRecord:
    """Write what a run came to, after the record of its beginning, and its hits to the findings."""
    phase = {
        "phase": ENDED,
        "begun_record": begun.number,
        "thresholds_committed": begun.body["thresholds_committed"],
    }
    written = evidence.record(KIND, body(run, raw_sha256=keep(run)) | phase)
    findings.see(_seen(run), record=written.number)
    return written


def newest(*, tool: str, target: str, model: str) -> EvidenceRecord | None:
    """Return the newest finished run of a program on a target."""
    named = {"tool": tool, "target": target, "model": model, "phase": ENDED}
    return EvidenceRecord.objects.filter(kind=KIND, body__contains=named).order_by("-number").first()


def _seen(run: Run) -> Iterable[findings.Seen]:
    for probe in sorted({each.probe for each in run.hits}):
        outputs = [each for each in run.hits if each.probe == probe]
        text = "\n".join(f"{each.attack} {each.output}" for each in outputs)
        yield findings.Seen(
            target=run.plan.target.name,
            model=run.plan.target.model,
            probe=probe,
            hits=len(outputs),
            output_sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        )
