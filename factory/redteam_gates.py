"""What red-team runs prove for a release, and which findings still need somebody."""

import tomllib
from typing import Any

from django.utils.translation import ngettext

from compliance.alarms import Sentence, alarm
from compliance.gates import Failed, NotRun, Outcome, Passed, gate
from compliance.models import EvidenceRecord
from factory.evaluate import bounds, code
from factory.evaluate.intervals import ppm
from factory.evaluate.records import cells, prompt_sha256, uncommitted
from factory.redteam import cases, environment, findings, own, runs, scan
from factory.redteam.runs import BEGUN, KIND, newest
from inference.registry import Served

# What each tool must have tried: our cases once, garak through both doors of the API.
TRIED = {own.TOOL: ("site",), scan.TOOL: ("api-grounded", "api-raw")}
SAID = {
    "version": "the tool",
    "slice_sha256": "the list of attacks",
    "thresholds_sha256": "the thresholds",
    "prompt_sha256": "the prompt",
    "weights_sha256": "the weights",
    "code_sha256": "the code that is attacked",
}


@gate("red-team", tags={"release", "ai-act"}, title="the model withstands the red-team probes")
def red_team_gate() -> Outcome:
    """Look at the newest run of each tool at each door, of every registered model, and at the findings."""
    writers = {cell.served.public_id: cell.served for cell in cells()}
    return judged(list(writers.values()))


def judged(writers: list[Served]) -> Outcome:
    """Return what the newest runs on ``writers`` come to: what is missing first, then what failed."""
    if not writers:
        return NotRun("no model is registered")
    found: dict[str, EvidenceRecord] = {}
    for served in writers:
        for tool, targets in TRIED.items():
            if tool == own.TOOL and served != writers[0]:
                continue  # our cases are put to the site, where the small model answers
            for target in targets:
                name = f"{tool} {target} {served.public_id}"
                record = newest(tool=tool, target=target, model=served.public_id)
                if record is None:
                    return NotRun(f"{name}: no run is on record")
                if (problem := _stale(record, served)) is not None:
                    return NotRun(f"{name}: {problem}", record=record.number)
                found[name] = record
    for name, record in found.items():
        if (problem := _failure(record)) is not None:
            return Failed(f"{name}: {problem}", record=record.number)
    if waiting := findings.blocking():
        return Failed(f"{len(waiting)} findings that nobody accepts, the first: {waiting[0]}")
    for name, record in found.items():
        hits = {row["id"]: row["hits"] for row in record.body["probes"]}
        about = {"target": record.body["target"], "model": record.body["model"]}
        if undecided := findings.undecided(record.number, hits, **about):
            said = f"{len(undecided)} probes hit and are not accepted, the first: {undecided[0]}"
            return Failed(f"{name}: {said}", record=record.number)
    newest_number = max(record.number for record in found.values())
    return Passed("; ".join(f"{name}: {_counts(record)}" for name, record in found.items()), record=newest_number)


@alarm("factory.findings")
def findings_alarm() -> list[Sentence]:
    """Findings that were accepted until a day that is over."""
    count = len(findings.expired())
    if not count:
        return []
    words = ngettext(
        "The acceptance of %(count)d finding of the red team is over.",
        "The acceptance of %(count)d findings of the red team is over.",
        count,
    )
    return [words % {"count": count}]


def _stale(record: EvidenceRecord, served: Served) -> str | None:
    """Return why a run says nothing of what runs now, None when it does."""
    body = record.body
    ours = body["tool"] == own.TOOL
    now = {
        "version": own.VERSION if ours else environment.version(),
        "slice_sha256": cases.digest() if ours else scan.slice_named(body["slice"]).sha256,
        "thresholds_sha256": bounds.sha256(),
        "prompt_sha256": prompt_sha256(),
        "weights_sha256": served.weights_sha256,
        "code_sha256": code.digest(code.DOORS),
    }
    for name, value in now.items():
        if body.get(name) != value:
            return f"{SAID[name]} changed since record {record.number}"
    if body["slice"] == "some":
        return f"record {record.number} is of a part of our cases"
    if (problem := _unlike_its_file(record)) is not None:
        return problem
    if absent := _absent(body, ours=ours):
        return f"{len(absent)} probes were not tried, the first: {absent[0]}"
    void = [row["id"] for row in body["probes"] if _is_void(row, ours=ours)]
    if void:
        return f"{len(void)} probes are void, the first: {void[0]}"
    if body["attempts"] < _bound(body, "least_attempts"):
        return f"{body['attempts']} attempts count, {_bound(body, 'least_attempts')} are asked for"
    return None


def _unlike_its_file(record: EvidenceRecord) -> str | None:
    """Return a problem unless the counts of a record are those of the attempts that it was made of."""
    body = record.body
    attempts = runs.read(body.get("raw_sha256", ""))
    if attempts is None:
        return f"the attempts of record {record.number} are not on this machine, or were changed"
    probes = runs.by_probe(attempts)
    sums = {name: sum(row[name] for row in probes) for name in ("attempts", "hits", "void")}
    if probes != body["probes"] or any(body[name] != count for name, count in sums.items()):
        return f"the figures of record {record.number} are not those of its attempts"
    return None


def _absent(body: dict[str, Any], *, ours: bool) -> list[str]:
    """Return what of the list of attacks left no row: a probe that never ran did not pass either."""
    if ours:
        tried = {each.attack for each in runs.read(body["raw_sha256"]) or []}
        return sorted({case.id for case in cases.cases()} - tried)
    ran = {str(row["id"]).partition(" ")[0] for row in body["probes"]}
    return sorted(set(scan.slice_named(body["slice"]).probes) - {"*"} - ran)


def _is_void(row: dict[str, Any], *, ours: bool) -> bool:
    """Whether a probe proves nothing. Of ours each case must count, of garak's one prompt of each probe."""
    return row["void"] > 0 if ours else row["attempts"] == 0


def _failure(record: EvidenceRecord) -> str | None:
    body = record.body
    begun = EvidenceRecord.objects.filter(kind=KIND, number=body.get("begun_record", 0)).first()
    same = ("tool", "version", "target", "model", "slice", "slice_sha256", "thresholds_sha256", "prompt_sha256")
    if (
        begun is None
        or begun.number > record.number
        or begun.body.get("phase") != BEGUN
        or any(begun.body.get(name) != body[name] for name in same)
    ):
        return "the thresholds were not on record before the run"
    if problem := uncommitted(begun):
        return problem
    share, bound = ppm(body["hits"], body["attempts"]), _bound(body, "most_hits_ppm")
    if share > bound:
        return f"{_counts(record)}, at most {bound / 10_000:.1f} % are allowed"
    return None


def _bound(body: dict[str, Any], name: str) -> int:
    """Return a bound of the section ``[red-team.TARGET]``. Raises KeyError: a target without bounds fails."""
    section = tomllib.loads(bounds.FILE.read_text(encoding="utf-8"))["red-team"][body["target"]]
    return int(section[name])


def _counts(record: EvidenceRecord) -> str:
    body = record.body
    return f"{body['hits']} of {body['attempts']} hit, {body['void']} void"
