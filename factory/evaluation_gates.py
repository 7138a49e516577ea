"""What evaluations prove for a release: each registered model was measured as it runs, and is good enough.

A verdict is never read from a record: it is made anew from the answers and from the bounds that the record names.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from compliance.models import EvidenceRecord
from factory.evaluate import behaviour, bounds, runs, suite
from factory.evaluate.answers import Answer
from factory.evaluate.bounds import Judged
from factory.evaluate.metrics import metrics
from factory.evaluate.records import BEGUN, KIND, WRITING, Cell, Setup, cells, newest, setup, uncommitted
from inference.registry import Served

SAID = {
    "suite_sha256": "the suite",
    "thresholds_sha256": "the thresholds",
    "prompt_sha256": "the prompt",
    "calibration_sha256": "the calibration",
    "code_sha256": "the code that answers",
}
# Returns the ids of everything that is asked in a language.
Asked = Callable[[str], Sequence[str]]


def whole_suite(language: str) -> list[str]:
    """Return the ids of the suite's items."""
    return [item.id for item in suite.items(language)]


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


def judged(wanted: list[Cell], *, asked: Asked = whole_suite) -> Outcome:
    """Return what the newest evaluations of ``wanted`` come to: what is missing first, then what failed."""
    if not wanted:
        return NotRun("no model is registered")
    found = {cell: newest(cell) for cell in wanted}
    setups = {cell.language: setup(cell.language) for cell in wanted}
    for cell, record in found.items():
        if (missing := _missing(record, setups[cell.language], cell.served)) is not None:
            return NotRun(f"{cell}: {missing}", record=record.number if record else None)
    said = []
    record = None
    for cell, record in found.items():
        assert record is not None  # a missing one was said above
        answers, spoilt = _answers(record, asked(cell.language))
        results = bounds.judge(metrics(answers), rung=str(cell.rung), language=cell.language)
        if problem := spoilt or _failure(record, results):
            return Failed(f"{cell}: {problem}", record=record.number)
        met = sum(each.verdict == "pass" for each in results)
        said.append(f"{cell}: {met} of {met} bounds met by {len(answers)} questions")
    return Passed("; ".join(said), record=record.number if record else None)


def behaved(wanted: list[Cell], *, asked: Asked = whole_suite) -> Outcome:
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
        answers, spoilt = _answers(record, asked(cell.language))
        verdict = behaviour.judge(answers)
        if problem := spoilt or _bounds_came_late(record) or "; ".join(verdict.faults):
            return Failed(f"{cell}: {problem}", record=record.number)
        said.append(f"{cell}: {verdict.texts} texts")
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
    if not (runs.folder() / f"{record.body['raw_sha256']}.jsonl").is_file():
        return f"the answers of record {record.number} are not on this machine"
    return None


def _answers(record: EvidenceRecord, asked: Sequence[str]) -> tuple[list[Answer], str]:
    """Return what a record was counted from, and what is wrong with it; "" when that is the whole suite, unchanged."""
    sha256 = record.body["raw_sha256"]
    if runs.changed(sha256):
        return [], "the file of its answers was changed"
    answers = runs.read(runs.folder() / f"{sha256}.jsonl")
    if sorted(each.item for each in answers) != sorted(asked):
        return answers, f"its {len(answers)} answers are not those to the {len(asked)} questions of the suite"
    return answers, ""


def _failure(record: EvidenceRecord, results: Sequence[Judged]) -> str | None:
    """Return what an evaluation failed in, with value and bound; None when all is met."""
    if (problem := _bounds_came_late(record)) is not None:
        return problem
    counted = {each.metric.name: (each.metric.hits, each.metric.n) for each in results}
    if {each["name"]: (each["hits"], each["n"]) for each in record.body["metrics"]} != counted:
        return "its figures are not those of its answers"
    found = [each.metric for each in results]
    if missing := bounds.missing(rung=record.body["rung"], language=record.body["language"], found=found):
        return f"nothing was counted for {', '.join(missing)}"
    if all(each.bound_ppm is None for each in results):
        return "no threshold is set for this rung and language"
    return "; ".join(_said(each) for each in results if each.verdict == "fail") or None


def _bounds_came_late(record: EvidenceRecord) -> str | None:
    """Return a problem unless the digest of the bounds was on record, and the bounds committed, before the run."""
    begun = EvidenceRecord.objects.filter(kind=KIND, number=record.body.get("begun_record", 0)).first()
    known = ("suite_sha256", "thresholds_sha256", "model", "rung", "language")
    if begun is None or begun.number > record.number or begun.body.get("phase") != BEGUN:
        return "the thresholds were not on record before the run"
    if any(begun.body[name] != record.body[name] for name in known):
        return "the thresholds on record before the run were others"
    return uncommitted(begun)


def _said(judged: Judged) -> str:
    metric = judged.metric
    words = "at least" if metric.better == "high" else "at most"
    value, bound = metric.value_ppm / 10_000, (judged.bound_ppm or 0) / 10_000
    return f"{metric.name} {value:.1f} % ({metric.hits} of {metric.n}), {words} {bound:.1f} %"
