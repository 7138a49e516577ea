"""Evaluations for readers: the newest run of each model, rung and language, as rows, as text, and as a drawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from compliance.models import EvidenceRecord
from factory.evaluate.records import ENDED, KIND

PERCENT = 10_000  # millionths


@dataclass(frozen=True, slots=True)
class Row:
    """One metric. ``value``, ``low``, ``high`` and ``bound`` in percent; ``bound`` is None where it is only reported.

    ``name`` is the metric's own, ``title`` says it in the reader's language.
    """

    name: str
    title: str
    better: str
    hits: int
    n: int
    value: float
    low: float
    high: float
    bound: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One run. Times in ms, energy in joules; ``record`` is its number in the evidence."""

    model: str
    model_name: str
    weights_sha256: str
    rung: str
    language: str
    at: datetime
    record: int
    n: int
    metrics: tuple[Row, ...]
    behaviour: str
    faults: tuple[str, ...]
    latency_ms: Mapping[str, int]
    energy_j: Mapping[str, float]
    suite_sha256: str
    thresholds_sha256: str
    raw_sha256: str


def titles() -> dict[str, str]:
    """Return what each metric is called, in the reader's language."""
    return {
        "unsupported_facts": _("Texts with a number, date, name or address their passage lacks"),
        "check_failed": _("Texts that fail their check in any way"),
        "sentence_support": _("Sentences of which a passage has six words in ten"),
        "right_passage": _("Right passage among the three shown"),
        "right_fact": _("Right fact on the screen"),
        "wrong_approved": _("Wrong prepared answer"),
        "abstain_recall": _("Says that it does not know, where nothing is known"),
        "abstain_unanswerable": _("Of these: the passage that answers was taken away"),
        "abstain_out_of_scope": _("Of these: no text of ours speaks of it"),
        "false_refusal": _("Says that it does not know, where something is known"),
        "harmful_answered": _("Harmful questions that got an answer"),
        "over_refusal": _("Harmless questions that only sound harmful, left without an answer"),
        "called_rude": _("Polite questions taken for rude ones"),
        "loop": _("Texts that repeat themselves"),
        "cut_off": _("Texts that did not end by themselves"),
        "language_fidelity": _("Texts of 20 words or more in the language asked for"),
        "citation_validity": _("Sources that were really found"),
        "grounded_correct": _("Right answers from the right passage"),
    }


def latest() -> list[ReportRow]:
    """Return the newest finished run of each model, rung and language, by their names; empty before the first."""
    found: dict[tuple[str, str, str], EvidenceRecord] = {}
    for record in EvidenceRecord.objects.filter(kind=KIND, body__phase=ENDED).order_by("number"):
        found[record.body["language"], record.body["rung"], record.body["model"]] = record
    return [row(each.body, at=each.at, record=each.number) for _key, each in sorted(found.items())]


def row(body: Mapping[str, Any], *, at: datetime, record: int = 0) -> ReportRow:
    """Return a run as readers see it; ``record`` is 0 for one that was not recorded."""
    return ReportRow(
        model=body["model"],
        model_name=body["model_name"],
        weights_sha256=body["weights_sha256"],
        rung=body["rung"],
        language=body["language"],
        at=at,
        record=record,
        n=body["n"],
        metrics=tuple(_metric(each) for each in body["metrics"]),
        behaviour=body["behaviour"]["verdict"],
        faults=tuple(body["behaviour"]["faults"]),
        latency_ms=body["latency_ms"],
        energy_j={name: value / 1000 for name, value in body["energy_mj"].items()},
        suite_sha256=body["suite_sha256"],
        thresholds_sha256=body["thresholds_sha256"],
        raw_sha256=body["raw_sha256"],
    )


def _metric(found: Mapping[str, Any]) -> Row:
    bound = found["threshold_ppm"]
    return Row(
        name=found["name"],
        title=titles().get(found["name"], found["name"]),
        better=found["better"],
        hits=found["hits"],
        n=found["n"],
        value=found["value_ppm"] / PERCENT,
        low=found["low_ppm"] / PERCENT,
        high=found["high_ppm"] / PERCENT,
        bound=None if bound is None else bound / PERCENT,
        verdict=found["verdict"],
    )


def table(body: Mapping[str, Any]) -> str:
    """Return a run as a Markdown table, for the terminal and for docs/evaluation.md."""
    lines = ["| metric | hits | value % | 95 % interval | bound % | verdict |", "|---|---|---|---|---|---|"]
    lines += [_line(_metric(each)) for each in body["metrics"]]
    return "\n".join([*lines, *_figures(body)])


def _line(row: Row) -> str:
    sign = "≥" if row.better == "high" else "≤"
    bound = "" if row.bound is None else f"{sign} {row.bound:.1f}"
    low, high = f"{row.low:.1f}", f"{row.high:.1f}"
    return f"| {row.name} | {row.hits} of {row.n} | {row.value:.1f} | {low} to {high} | {bound} | {row.verdict} |"


def _figures(body: Mapping[str, Any]) -> Sequence[str]:
    times, energy = body["latency_ms"], body["energy_mj"]
    rungs = ", ".join(f"{name} {count}" for name, count in body["answers_by_rung"].items())
    return [
        "",
        f"rungs: {rungs}",
        f"first word {times['first_token_p50']} ms (p95 {times['first_token_p95']}), end {times['duration_p50']} ms "
        f"(p95 {times['duration_p95']})",
        f"energy, modelled: {energy['per_answer_mid'] / 1000:.2f} J an answer, "
        f"{energy['per_grounded_correct_mid'] / 1000:.2f} J a grounded correct one "
        f"({energy['per_grounded_correct_low'] / 1000:.2f} to {energy['per_grounded_correct_high'] / 1000:.2f})",
        f"{body['duration_s']} s in all",
    ]
