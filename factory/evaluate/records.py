"""Evaluations as evidence: what was asked, of what, made with what, and what came of it. Whole numbers only."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings

from chat import grounding, prompts
from chat.prompts import room_for
from compliance import evidence
from compliance.chain import canonical
from compliance.models import EvidenceRecord
from factory.evaluate import behaviour, bounds, code, suite
from factory.evaluate.answers import Answer
from factory.evaluate.intervals import rule_of_three_ppm
from factory.evaluate.metrics import energy_mj, latency_ms, metrics
from inference.backends.llamacpp import SAMPLING
from inference.models import Tier
from inference.registry import Served, declared

KIND = "evaluation"
QUOTED = "quoted"
BEGUN, ENDED = "begun", "ended"
WRITING = (Tier.SMALL, Tier.LARGE)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a run is made with; a record counts as long as all of it is so still."""

    suite_sha256: str
    thresholds_sha256: str
    prompt_sha256: str
    calibration_sha256: str
    code_sha256: str


@dataclass(frozen=True, slots=True)
class Cell:
    """What must be evaluated: a registered model on a rung in a language."""

    served: Served
    rung: str
    language: str

    def __str__(self) -> str:
        return f"{self.served.public_id} {self.rung} {self.language}"


def setup(language: str) -> Setup:
    """Return what a run in ``language`` is made with now."""
    return Setup(
        suite_sha256=suite.digest(language),
        thresholds_sha256=bounds.sha256(),
        prompt_sha256=prompt_sha256(),
        calibration_sha256=hashlib.sha256(grounding.CALIBRATION.read_bytes()).hexdigest(),
        code_sha256=code.digest(code.ANSWERS),
    )


def prompt_sha256() -> str:
    """Return the digest of everything that a model is given around question and passages, and how it is sampled."""
    parts = {
        "system": prompts.SYSTEM,
        "system_roomy": prompts.SYSTEM_ROOMY,
        "begun_words": prompts.BEGUN_WORDS,
        "sentence_ends": list(prompts.SENTENCE_ENDS),
        "roomy": [prompts.ROOMY_TOKENS, prompts.ROOMY_PASSAGES],
        "sampling": {name: str(value) for name, value in SAMPLING.items()},
    }
    return hashlib.sha256(canonical(parts)).hexdigest()


def cells(served: Sequence[Served] | None = None) -> list[Cell]:
    """Return what must be evaluated of the registered models.

    A small model that is not registered for one of the site's languages leaves its readers with the quote, so that is
    what is measured. A stand-in with the weights and the prompt of the small model gives the same texts and is left
    out.
    """
    writers = [one for one in (declared() if served is None else served) if one.tier in WRITING and one.enabled]
    found: list[Cell] = []
    for one in writers:
        twin = any(
            one.stand_in
            and other.public_id != one.public_id
            and other.weights_sha256 == one.weights_sha256
            and room_for(other) == room_for(one)
            for other in writers
        )
        if twin:
            continue
        for language in settings.COMPLETE_LANGUAGES:
            if one.writes(language):
                found.append(Cell(one, one.tier, language))
            elif one.tier == Tier.SMALL:
                found.append(Cell(one, QUOTED, language))
    return found


def body(
    answers: Sequence[Answer], *, cell: Cell, made: Setup, raw_sha256: str, started_at: str, duration_s: int
) -> dict[str, Any]:
    """Return what is recorded of a run over the whole suite."""
    found = metrics(answers)
    verdict = behaviour.judge(answers) if cell.rung in WRITING else None
    return {
        **_named(cell, made),
        "n": len(answers),
        "items_by_kind": dict(sorted(Counter(each.kind for each in answers).items())),
        "answers_by_rung": dict(sorted(Counter(each.rung for each in answers).items())),
        "metrics": [
            {
                "name": each.metric.name,
                "better": each.metric.better,
                "hits": each.metric.hits,
                "n": each.metric.n,
                "value_ppm": each.metric.value_ppm,
                "low_ppm": each.metric.interval_ppm[0],
                "high_ppm": each.metric.interval_ppm[1],
                "threshold_ppm": each.bound_ppm,
                "verdict": each.verdict,
            }
            for each in bounds.judge(found, rung=str(cell.rung), language=cell.language)
        ],
        "missing_metrics": bounds.missing(rung=str(cell.rung), language=cell.language, found=found),
        "interval": "Wilson 95 %",
        "rule_of_three_ppm": rule_of_three_ppm(len(answers)),
        "latency_ms": latency_ms(answers),
        "energy_mj": energy_mj(answers),
        "behaviour": {
            "verdict": ("pass" if verdict.passed else "fail") if verdict else "no model wrote",
            "texts": verdict.texts if verdict else 0,
            "faults": list(verdict.faults) if verdict else [],
        },
        "temperature": "0",
        "raw_sha256": raw_sha256,
        "started_at": started_at,
        "duration_s": duration_s,
    }


def begin(cell: Cell, made: Setup, *, committed: str) -> EvidenceRecord:
    """Put on record, before the first question, by which bounds a run will be judged.

    ``committed`` says whether the file of the bounds stands like this in the last commit: yes, no, or unknown.
    """
    return evidence.record(
        KIND,
        {
            **_named(cell, made),
            "phase": BEGUN,
            "thresholds_committed": committed,
            "n": 0,
            "metrics": [],
            "raw_sha256": "",
        },
    )


def end(begun: EvidenceRecord, found: dict[str, Any]) -> EvidenceRecord:
    """Write what a run came to, after the record of its beginning."""
    committed = begun.body["thresholds_committed"]
    return evidence.record(
        KIND, {**found, "phase": ENDED, "begun_record": begun.number, "thresholds_committed": committed}
    )


def newest(cell: Cell) -> EvidenceRecord | None:
    """Return the newest finished evaluation of a model on a rung in a language."""
    named = {"model": cell.served.public_id, "rung": str(cell.rung), "language": cell.language, "phase": ENDED}
    return EvidenceRecord.objects.filter(kind=KIND, body__contains=named).order_by("-number").first()


def uncommitted(begun: EvidenceRecord) -> str | None:
    """Return why the bounds that the record of a beginning names may have been written for that run, None otherwise.

    Where there is no history to ask, as in an image, a release recorded before the run has to hold them.
    """
    said = begun.body["thresholds_committed"]
    if said == "yes":
        return None
    if said == "no":
        return "the thresholds were not committed before the run"
    held = {"artifacts": {"thresholds": {"sha256": begun.body["thresholds_sha256"]}}}
    earlier = EvidenceRecord.objects.filter(kind="release", number__lt=begun.number, body__contains=held)
    if earlier.exists():
        return None
    return "nobody can tell whether the thresholds were committed: no history here, and no release before the run"


def _named(cell: Cell, made: Setup) -> dict[str, Any]:
    return {
        **asdict(made),
        "model": cell.served.public_id,
        "model_name": cell.served.name,
        "weights_sha256": cell.served.weights_sha256,
        "digest_checked": cell.served.digest_checked,
        "rung": str(cell.rung),
        "language": cell.language,
    }
