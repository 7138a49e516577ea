"""What evaluations prove for a release: each registered model was measured as it runs, and is good enough."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from compliance.models import EvidenceRecord
from factory.evaluate import runs
from factory.evaluate.records import BEGUN, KIND, WRITING, Cell, Setup, cells, newest, setup
from inference.registry import Served

SAID = {
    "suite_sha256": "the suite",
    "thresholds_sha256": "the thresholds",
    "prompt_sha256": "the prompt",
    "calibration_sha256": "the calibration",
}


@gate(
    "evaluation",
    tags={"release", "ai-act"},
    title="the model's answers meet the thresholds set before the run",
)
def evaluation_gate() -> Outcome:
    """Look at the newest evaluation of every registered model, rung and language."""
    return judged(cells())


@gate("behaviour", tags={"release", "ai-act"}, title="the weights invent, repeat and confuse no more than they may")
def behaviour_gate() -> Outcome:
    """Look at what the newest evaluations say of the weights themselves."""
    return behaved(cells())


def judged(wanted: list[Cell]) -> Outcome:
    """Return what the newest evaluations of ``wanted`` come to: what is missing first, then what failed."""
    if not wanted:
        return NotRun("no model is registered")
    setups = {cell.language: setup(cell.language) for cell in wanted}
    found = {cell: newest(cell) for cell in wanted}
    for cell, record in found.items():
        if (missing := _missing(record, setups[cell.language], cell.served)) is not None:
            return NotRun(f"{cell}: {missing}", record=record.number if record else None)
    for cell, record in found.items():
        assert record is not None  # a missing one was said above
        if problem := _failure(record):
            return Failed(f"{cell}: {problem}", record=record.number)
    numbers = [record for record in found.values() if record]
    return Passed("; ".join(f"{cell}: {_passed(found[cell])}" for cell in wanted), record=numbers[-1].number)


def behaved(wanted: list[Cell]) -> Outcome:
    """Return what the newest evaluations of ``wanted`` say of the weights that write."""
    writing = [cell for cell in wanted if cell.rung in WRITING]
    if not writing:
        return NotRun("no registered model writes")
    said = []
    record = None
    for cell in writing:
        record = newest(cell)
        if (missing := _missing(record, setup(cell.language), cell.served)) is not None:
            return NotRun(f"{cell}: {missing}", record=record.number if record else None)
        assert record is not None  # a missing one was said above
        behaviour = record.body["behaviour"]
        if behaviour["verdict"] != "pass":
            return Failed(f"{cell}: {'; '.join(behaviour['faults'])}", record=record.number)
        said.append(f"{cell}: {behaviour['texts']} texts")
    return Passed("; ".join(said), record=record.number if record else None)


def _missing(record: EvidenceRecord | None, now: Setup, served: Served) -> str | None:
    """Return why a record does not count for what runs now, None when it does."""
    if record is None:
        return "no evaluation is on record"
    for name, digest in asdict(now).items():
        if record.body.get(name) != digest:
            return f"{SAID[name]} changed since the evaluation in record {record.number}"
    if record.body["weights_sha256"] != served.weights_sha256:
        return f"the weights are others than in record {record.number}"
    return None


def _failure(record: EvidenceRecord) -> str | None:
    """Return what an evaluation failed in, with value and bound; None when all is met."""
    body = record.body
    if (problem := _bounds_came_late(record)) is not None:
        return problem
    if runs.changed(body["raw_sha256"]):
        return "the file of its answers was changed"
    if body["missing_metrics"]:
        return f"nothing was counted for {', '.join(body['missing_metrics'])}"
    if all(each["threshold_ppm"] is None for each in body["metrics"]):
        return "no threshold is set for this rung and language"
    missed = [each for each in body["metrics"] if each["verdict"] == "fail"]
    return "; ".join(_said(each) for each in missed) or None


def _bounds_came_late(record: EvidenceRecord) -> str | None:
    """Return a problem unless the digest of the bounds was on record, and the bounds committed, before the run."""
    begun = EvidenceRecord.objects.filter(kind=KIND, number=record.body.get("begun_record", 0)).first()
    known = ("suite_sha256", "thresholds_sha256", "model", "rung", "language")
    if begun is None or begun.number > record.number or begun.body.get("phase") != BEGUN:
        return "the thresholds were not on record before the run"
    if any(begun.body[name] != record.body[name] for name in known):
        return "the thresholds on record before the run were others"
    if begun.body["thresholds_committed"] == "no":
        return "the thresholds were not committed before the run"
    return None


def _said(metric: Mapping[str, Any]) -> str:
    words = "at least" if metric["better"] == "high" else "at most"
    value, bound = metric["value_ppm"] / 10_000, metric["threshold_ppm"] / 10_000
    return f"{metric['name']} {value:.1f} % ({metric['hits']} of {metric['n']}), {words} {bound:.1f} %"


def _passed(record: EvidenceRecord | None) -> str:
    assert record is not None
    met = sum(each["verdict"] == "pass" for each in record.body["metrics"])
    return f"{met} of {met} bounds met by {record.body['n']} questions"
