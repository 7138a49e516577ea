"""Measures the answers on the committed questions: ``python -m bench.answers [--calibrate] [--json FILE] [--all]``.

The questions of tests/answers are split by place: the even ones set the thresholds in chat/calibration.json, the odd
ones are reported. English and French stand apart.
"""

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from math import exp
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Any, Literal

import msgspec
import yaml

from chat import grounding, retrieval, verified
from content.passages import ApprovedPair

QUESTIONS = Path(__file__).parent.parent / "tests" / "answers"
LANGUAGES = ("en", "fr")
RUNGS = ("verified", "quoted", "contact", "none")
SOFTNESS = 0.015


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question of the set. ``facts``: any of these strings on the screen shows the right fact."""

    id: str
    kind: Literal["paraphrase", "followup", "near_miss", "removed", "out_of_scope", "approved"]
    question: str
    before: str | None = None
    document: str | None = None
    section: str | None = None
    facts: list[str] = []

    @property
    def answerable(self) -> bool:
        """Whether a passage holds the answer: a refusal would be false."""
        return self.document is not None and self.kind != "removed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one question."""

    case: Case
    rung: str  # verified, quoted (or small), none, contact
    rank: int  # place of the right passage in the ranking, 0 when it is not there
    fact_shown: bool
    fact_in_first: bool
    wrong_verified: bool
    score: float
    verified_score: float
    verified_margin: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report; ``goal`` is a lower bound, or an upper one where ``at_most``."""

    name: str
    hits: int
    of: int
    goal: float | None = None
    at_most: bool = False

    @property
    def share(self) -> float:
        return self.hits / self.of if self.of else 0.0

    @property
    def met(self) -> bool:
        if self.goal is None or not self.of:
            return True
        return self.share <= self.goal if self.at_most else self.share >= self.goal


@dataclass(slots=True)
class Report:
    language: str
    half: str
    figures: list[Figure] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    p50_ms: float = 0.0
    p95_ms: float = 0.0


# What a model writes for a question, given its passage; the quote alone is judged where there is none.
Answer = Callable[[Case, str], str]


def main(arguments: Sequence[str] | None = None, answer: Answer | None = None) -> int:
    """Print the report; return 1 when a goal is missed. ``answer`` asks a model, where the caller has one."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "siteproject.settings")
    parser = argparse.ArgumentParser(prog="python -m bench.answers", description=__doc__)
    parser.add_argument("--calibrate", action="store_true", help="write chat/calibration.json from the even questions")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--all", action="store_true", help="report on every question, not the odd half only")
    options = parser.parse_args(arguments)
    if options.calibrate:
        calibrate()
    reports = [measure(language, half="all" if options.all else "odd", answer=answer) for language in LANGUAGES]
    for report in reports:
        print_report(report)
    if options.json:
        options.json.write_text(json.dumps([as_json(report) for report in reports], indent=2) + "\n", encoding="utf-8")
    return 0 if all(figure.met for report in reports for figure in report.figures) else 1


def cases(language: str, *, half: str = "all") -> list[Case]:
    """Return the questions of ``language``; ``half`` is even (calibration), odd (report) or all."""
    text = (QUESTIONS / f"{language}.yaml").read_text(encoding="utf-8")
    found = msgspec.convert(yaml.safe_load(text), list[Case])
    return found[{"even": slice(0, None, 2), "odd": slice(1, None, 2), "all": slice(None)}[half]]


@cache
def index_without(language: str, document: str | None) -> retrieval.Index:
    return grounding.build_index(language, without=document)


def outcome(case: Case, language: str, answer: Answer | None = None) -> Outcome:
    """Ask one question as a visitor would; ``answer`` adds what a model writes to what is on the screen."""
    index = index_without(language, case.document if case.kind == "removed" else None)
    started = perf_counter()
    got = grounding.ground(case.question, previous=case.before, language=language, index=index)
    duration_ms = (perf_counter() - started) * 1000
    right = f"{case.document}#{case.section}"
    ranked = index.rank(retrieval.weighted_terms(case.question, case.before, index))
    passages = [source.passage for source in got.sources] or [scored.passage for scored in ranked]
    places = [place for place, passage in enumerate(passages, start=1) if passage.id == right]
    rung = _rung(got)
    # What stands on the screen: an approved answer alone, or what a model writes above three quotes.
    shown = [source.quote for source in got.sources] if rung == "quoted" else []
    first = [got.verified.answer] if got.verified else shown[:1]
    if answer and shown:
        first = [answer(case, got.sources[0].passage.text), *first]
    match = verified.nearest_pair(case.question, index)
    return Outcome(
        case=case,
        rung=rung,
        rank=places[0] if places else 0,
        fact_shown=_has_fact(case, [*first, *shown]),
        fact_in_first=_has_fact(case, first),
        wrong_verified=_is_wrong(got.verified, case),
        score=got.score,
        verified_score=match.score if match else 0.0,
        verified_margin=match.margin if match else 0.0,
        duration_ms=duration_ms,
    )


def _rung(got: grounding.Grounded) -> str:
    if got.verified:
        return "verified"
    if got.contact:
        return "contact"
    return "quoted" if got.answerable else "none"


def measure(language: str, *, half: str, answer: Answer | None = None) -> Report:
    """Return the figures of one language over one half of its questions."""
    outcomes = [outcome(case, language, answer) for case in cases(language, half=half)]
    answerable = [each for each in outcomes if each.case.answerable]
    silent = [each for each in outcomes if each.case.kind in ("removed", "out_of_scope")]
    removed = [each for each in silent if each.case.kind == "removed"]
    outside = [each for each in silent if each.case.kind == "out_of_scope"]
    approved = [each for each in outcomes if each.case.kind == "approved"]
    report = Report(language, half)
    report.figures = [
        Figure("right passage first", sum(each.rank == 1 for each in answerable), len(answerable)),
        Figure("right passage in three", sum(1 <= each.rank <= 3 for each in answerable), len(answerable), 0.95),
        Figure("right fact in the first quote", sum(each.fact_in_first for each in answerable), len(answerable)),
        Figure("right fact shown", sum(each.fact_shown for each in answerable), len(answerable), 0.9),
        Figure("approved answer given", sum(each.rung == "verified" for each in approved), len(approved)),
        Figure("wrong approved answer", sum(each.wrong_verified for each in outcomes), len(outcomes), 0.0, True),
        Figure("does not know, rightly", sum(_silent(each) for each in silent), len(silent), 0.9),
        Figure("  document removed", sum(_silent(each) for each in removed), len(removed)),
        Figure("  out of scope", sum(_silent(each) for each in outside), len(outside)),
        Figure("does not know, wrongly", sum(_silent(each) for each in answerable), len(answerable), 0.1, True),
        *(Figure(f"rung {name}", sum(each.rung == name for each in outcomes), len(outcomes)) for name in RUNGS),
    ]
    report.misses = [line for each in outcomes if (line := _miss(each))]
    durations = sorted(each.duration_ms for each in outcomes)
    report.p50_ms, report.p95_ms = durations[len(durations) // 2], quantiles(durations, n=20)[-1]
    return report


def calibrate() -> None:
    """Write chat/calibration.json: the thresholds that do best on the even half of the questions."""
    figures = {}
    for language in LANGUAGES:
        outcomes = [outcome(case, language) for case in cases(language, half="even")]
        score, margin = _verified_thresholds(outcomes)
        figures[language] = {
            "answerable": _answerable_threshold(outcomes),
            "verified_score": score,
            "verified_margin": margin,
            "calibrated_on": f"{len(outcomes)} questions, {datetime.now(UTC):%Y-%m-%d}",
            "set_sha256": hashlib.sha256((QUESTIONS / f"{language}.yaml").read_bytes()).hexdigest(),
        }
    grounding.CALIBRATION.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    grounding.thresholds.cache_clear()


def _answerable_threshold(outcomes: list[Outcome]) -> float:
    """Return the threshold with the fewest wrong answers and false refusals, both by share.

    A score near the threshold counts in part on either side (logistic, SOFTNESS wide): the set is small, and a gap
    between two of its questions says little about the next one.
    """
    known = [each.score for each in outcomes if each.case.answerable]
    unknown = [each.score for each in outcomes if each.case.kind in ("removed", "out_of_scope")]

    def below(score: float, limit: float) -> float:
        return 1 / (1 + exp((score - limit) / SOFTNESS))

    def loss(limit: float) -> float:
        refused = sum(below(score, limit) for score in known) / len(known)
        answered = 1 - sum(below(score, limit) for score in unknown) / len(unknown)
        return refused + answered

    return _middle_of_best([at / 200 for at in range(201)], loss)


def _verified_thresholds(outcomes: list[Outcome]) -> tuple[float, float]:
    """Return score and margin with no wrong approved answer, then the most right ones, then the widest clearance."""
    wrong = [each for each in outcomes if each.case.kind != "approved" and not _same_section(each)]
    right = [each for each in outcomes if each.case.kind == "approved"]
    margin = 0.05

    def loss(limit: float) -> float:
        false = sum(each.verified_score >= limit and each.verified_margin >= margin for each in wrong)
        missed = sum(each.verified_score < limit or each.verified_margin < margin for each in right)
        return false * len(outcomes) + missed

    return _middle_of_best([at / 200 for at in range(201)], loss), margin


def _middle_of_best(limits: list[float], loss: Callable[[float], float]) -> float:
    """Return the middle of the first longest run of limits with the least loss, so that neither side is hugged."""
    losses = [round(loss(limit), 9) for limit in limits]
    least = min(losses)
    runs: list[list[float]] = [[]]
    for limit, value in zip(limits, losses, strict=True):
        if value == least:
            runs[-1].append(limit)
        elif runs[-1]:
            runs.append([])
    longest = max(runs, key=len)
    return round((longest[0] + longest[-1]) / 2, 4)


def _same_section(each: Outcome) -> bool:
    return each.case.kind in ("paraphrase", "followup") and not each.wrong_verified


def _is_wrong(given: ApprovedPair | None, case: Case) -> bool:
    """Return whether the approved answer given is not one to this question."""
    if given is None:
        return False
    if case.kind == "near_miss":
        return True
    if any(fact.casefold() in given.answer.casefold() for fact in case.facts):
        return False
    return case.kind not in ("approved", "paraphrase", "followup") or given.document != case.document


def _has_fact(case: Case, texts: list[str]) -> bool:
    shown = " ".join(" ".join(texts).split()).casefold()
    return any(" ".join(fact.split()).casefold() in shown for fact in case.facts)


def _silent(each: Outcome) -> bool:
    return each.rung in ("none", "contact")


def _miss(each: Outcome) -> str:
    """Return what went wrong with one question, empty when nothing did."""
    case = each.case
    wrong = []
    if each.wrong_verified:
        wrong.append("wrong approved answer")
    if case.answerable and _silent(each):
        wrong.append("refused")
    if case.answerable and not 1 <= each.rank <= 3:
        wrong.append(f"right passage at {each.rank}")
    elif case.answerable and not each.fact_shown:
        wrong.append("fact not shown")
    if not case.answerable and case.kind != "near_miss" and not _silent(each):
        wrong.append("answered")
    if case.kind == "approved" and each.rung != "verified":
        wrong.append(f"not verified ({each.verified_score:.2f}, {each.verified_margin:.2f})")
    return f"{case.id} {case.kind}: {', '.join(wrong)} [{each.score:.2f}] {case.question}" if wrong else ""


def print_report(report: Report) -> None:
    """Print one language: share, count and goal of each figure, then the questions that went wrong."""
    print(f"\n{report.language}, {report.half} half: {report.p50_ms:.1f} ms p50, {report.p95_ms:.1f} ms p95")
    for figure in report.figures:
        sign = "<=" if figure.at_most else ">="
        goal = "" if figure.goal is None else f"goal {sign} {figure.goal:.2f}  {'met' if figure.met else 'MISSED'}"
        print(f"  {figure.name:<30} {figure.share:5.2f}  {figure.hits:3d} of {figure.of:<3d}  {goal}".rstrip())
    for miss in report.misses:
        print(f"    {miss}")


def as_json(report: Report) -> dict[str, Any]:
    figures = {
        figure.name.strip(): {
            "share": round(figure.share, 4),
            "hits": figure.hits,
            "of": figure.of,
            "goal": figure.goal,
        }
        for figure in report.figures
    }
    times = {"p50_ms": round(report.p50_ms, 2), "p95_ms": round(report.p95_ms, 2)}
    return {"language": report.language, "half": report.half, "figures": figures, **times, "misses": report.misses}


if __name__ == "__main__":
    sys.exit(main())
