"""Measures the answers on the committed questions: ``python -m bench.answers [--calibrate] [--model] [--set SET]``.

Three sets lie in tests/answers. The even questions of the first and the whole fresh set have been looked at: the
thresholds in chat/calibration.json follow from them. The odd ones of the first are reported. The blind set was written
by somebody who had no part in the retrieval and is never looked at: its misses and texts are not printed, and no
threshold knows it. Everything published is indexed; the questions that only a page or post answers are counted apart.
English and French stand apart. ``--model`` starts the small model's server and lets it write
wherever the product would.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from math import exp
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Literal

import msgspec
import yaml

from bench.shares import Figure, Report, as_json, print_report
from bench.writing import Totals, Writer, Written, history_of, product_request, product_writer, totals
from chat import grounding, verified
from content.passages import ApprovedPair, Passage

QUESTIONS = Path(__file__).parent.parent / "tests" / "answers"
LANGUAGES = ("en", "fr")
WRITTEN_LANGUAGES = ("en",)  # what the default model is registered for
RUNGS = ("verified", "quoted", "small", "contact", "none")
SETS = ("even", "odd", "all", "fresh", "fresh-even", "blind")
BLIND = "blind"
CALIBRATED_ON = ("even", "fresh")
SOFTNESS = 0.015
CLEARANCE = 0.05  # how far above every wrong match an approved answer begins: a wrong one is worse than none


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

    @property
    def unanswerable(self) -> bool:
        """Whether nothing that is searched has the answer."""
        return self.kind in ("removed", "out_of_scope")

    @property
    def from_pages(self) -> bool:
        """Whether a page or post has the answer, and no knowledge: its document is then named with its kind."""
        return self.document is not None and "/" in self.document


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one question."""

    case: Case
    rung: str  # verified, quoted (or small), none, contact
    rank: int  # place of the right passage in the ranking, 0 when it is not there
    fact_shown: bool
    fact_in_first: bool
    wrong_verified: bool
    score: float  # of knowledge
    pages_score: float
    verified_score: float
    verified_margin: float
    duration_ms: float
    written: Written | None = None  # what a model wrote, where one was asked

    @property
    def fact_written(self) -> bool:
        """Whether the text itself has the right fact, not only the quote above it."""
        return self.written is not None and has_fact(self.case, [self.written.text])


# What a model writes for a question and what was found for it; the quote alone is judged where there is none.
Answer = Callable[[Case, grounding.Grounded], Written]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; return 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.answers", description=__doc__)
    parser.add_argument(
        "--calibrate", action="store_true", help="write chat/calibration.json: the even and fresh questions"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--set", action="append", choices=SETS, dest="sets", help="default: odd and blind")
    parser.add_argument("--model", action="store_true", help="let the small model write, as the product does")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="with --model: print N texts that passed")
    options = parser.parse_args(arguments)
    if options.calibrate:
        calibrate()
    wanted = [(which, language) for which in options.sets or ("odd", BLIND) for language in LANGUAGES]
    there = [(which, language) for which, language in wanted if question_file(language, which).is_file()]
    for which, language in wanted:
        if (which, language) not in there:
            print(f"{language}, {which}: not measured, there is no {question_file(language, which).name}")
    with product_writer() if options.model else nullcontext() as writer:
        reports = [
            measure(language, half=which, answer=answer_by(writer, language) if writer else None)
            for which, language in there
        ]
    for report in reports:
        print_report(report, show=options.show)
    if options.json:
        options.json.write_text(json.dumps([as_json(report) for report in reports], indent=2) + "\n", encoding="utf-8")
    return 0 if all(figure.met for report in reports for figure in report.figures) else 1


def answer_by(writer: Writer, language: str) -> Answer | None:
    """Return what lets ``writer`` answer in ``language``; None where the default model is not registered for it."""
    if language not in WRITTEN_LANGUAGES:
        return None

    def answer(case: Case, found: grounding.Grounded) -> Written:
        request = product_request(case.question, found, history_of(case.before, language))
        return writer.write(request, found.sources[0].passage, case.question, language)

    return answer


def cases(language: str, *, half: str = "all") -> list[Case]:
    """Return the questions of ``language``; ``half`` is one of ``SETS``. Raises OSError where its file is not there."""
    found = msgspec.convert(yaml.safe_load(question_file(language, half).read_text(encoding="utf-8")), list[Case])
    return found[{"even": slice(0, None, 2), "odd": slice(1, None, 2)}.get(half.rpartition("-")[2], slice(None))]


def question_file(language: str, which: str) -> Path:
    """Return where the questions of a set stand."""
    name = which.partition("-")[0]
    return QUESTIONS / (f"{name}_{language}.yaml" if name in ("fresh", BLIND) else f"{language}.yaml")


def calibration_digest(language: str) -> str:
    """Return the sha256 over the files whose questions the thresholds of ``language`` follow from."""
    files = [question_file(language, which) for which in CALIBRATED_ON]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@cache
def index_without(language: str, document: str | None, facts: tuple[str, ...] = ()) -> grounding.Indexes:
    """Return the index without ``document`` and without every other passage that states one of ``facts``."""
    return grounding.build_index(language, omit=lambda each: each.document == document or states(facts, each.text))


def index_of(case: Case, language: str) -> grounding.Indexes:
    """Return what ``case`` is asked of: without what answers it, where that is its kind."""
    removed = case.kind == "removed"
    return index_without(language, case.document, tuple(case.facts)) if removed else index_without(language, None)


def outcome(case: Case, language: str, answer: Answer | None = None) -> Outcome:
    """Ask one question as a visitor would; ``answer`` adds what a model writes to what is on the screen."""
    index = index_of(case, language)
    started = perf_counter()
    got = grounding.ground(case.question, previous=case.before, language=language, index=index)
    duration_ms = (perf_counter() - started) * 1000
    known, pages = (grounding.rank(case.question, case.before, each) for each in (index.knowledge, index.pages))
    ranked = pages if case.from_pages else known
    passages = [source.passage for source in got.sources] or [scored.passage for scored in ranked.passages]
    places = [place for place, passage in enumerate(passages, start=1) if is_right(passage, case)]
    rung = _rung(got)
    # What stands on the screen: an approved answer alone, or what a model writes above three quotes.
    shown = [source.quote for source in got.sources] if rung == "quoted" else []
    first = [got.verified.answer] if got.verified else shown[:1]
    written = answer(case, got) if answer and shown else None
    match = verified.nearest_pair(case.question, index.knowledge)
    return Outcome(
        case=case,
        rung="small" if written else rung,
        rank=places[0] if places else 0,
        fact_shown=has_fact(case, [*first, *shown, *([written.text] if written else [])]),
        fact_in_first=has_fact(case, first),
        wrong_verified=_is_wrong(got.verified, case),
        score=known.score,
        pages_score=pages.score,
        verified_score=match.score if match else 0.0,
        verified_margin=match.margin if match else 0.0,
        duration_ms=duration_ms,
        written=written,
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
    answerable = [each for each in outcomes if each.case.answerable and not each.case.from_pages]
    from_pages = [each for each in outcomes if each.case.answerable and each.case.from_pages]
    silent = [each for each in outcomes if each.case.unanswerable]
    approved = [each for each in outcomes if each.case.kind == "approved"]
    report = Report(language, half, blind=half == BLIND)
    report.figures = [
        Figure("right passage first", sum(each.rank == 1 for each in answerable), len(answerable)),
        Figure("right passage in three", sum(1 <= each.rank <= 3 for each in answerable), len(answerable), 0.95),
        Figure("right fact in the first quote", sum(each.fact_in_first for each in answerable), len(answerable)),
        Figure("right fact shown", sum(each.fact_shown for each in answerable), len(answerable), 0.9),
        Figure("approved answer given", sum(each.rung == "verified" for each in approved), len(approved)),
        Figure("wrong approved answer", sum(each.wrong_verified for each in outcomes), len(outcomes), 0.0, True),
        Figure("does not know, rightly", sum(_silent(each) for each in silent), len(silent), 0.9),
        *(_silent_of_kind(kind, silent) for kind in ("removed", "out_of_scope")),
        Figure("does not know, wrongly", sum(_silent(each) for each in answerable), len(answerable), 0.1, True),
        *_pages_figures(from_pages),
        *(Figure(f"rung {name}", sum(each.rung == name for each in outcomes), len(outcomes)) for name in RUNGS),
    ]
    wrote = [each for each in outcomes if each.written]
    if wrote:
        report.totals = totals([each.written for each in wrote if each.written])
        report.figures += _written_figures(wrote, report.totals)
        report.texts = [
            f"{each.case.id} {each.case.question}\n      {each.written.text}"
            for each in wrote
            if each.written and not each.written.reasons
        ]
    report.misses = [line for each in outcomes if (line := _miss(each))]
    durations = sorted(each.duration_ms for each in outcomes)
    report.p50_ms, report.p95_ms = durations[len(durations) // 2], quantiles(durations, n=20)[-1]
    return report


def _pages_figures(outcomes: list[Outcome]) -> list[Figure]:
    """Return what came of the questions that only a page or post answers; none where the set has no such question."""
    if not outcomes:
        return []
    return [
        Figure("pages: right passage in three", sum(1 <= each.rank <= 3 for each in outcomes), len(outcomes), 0.95),
        Figure("pages: right fact shown", sum(each.fact_shown for each in outcomes), len(outcomes), 0.9),
        Figure("pages: does not know, wrongly", sum(_silent(each) for each in outcomes), len(outcomes), 0.1, True),
    ]


def _written_figures(texts: list[Outcome], sums: Totals) -> list[Figure]:
    """Return what the model's texts came to. A text with the right fact may still be false: a person has to read it."""
    answerable = [each for each in texts if each.case.answerable]
    passed = [each for each in texts if each.written and not each.written.reasons]
    wrong = [each for each in passed if each.written and each.written.new_figure and not each.fact_written]
    return [
        Figure("right fact in the text", sum(each.fact_written for each in answerable), len(answerable)),
        Figure("  and in the quote above", sum(each.fact_in_first for each in answerable), len(answerable)),
        Figure("text passes its check", sums.passed, len(texts)),
        Figure("  with the right fact", sum(each.fact_written for each in passed), len(passed)),
        Figure("  with a figure not in it", len(wrong), len(passed), 0.0, True),
        *(Figure(f"text fails: {reason}", count, len(texts)) for reason, count in sorted(sums.fails.items())),
        Figure("text copied from the passage", sums.copied, len(texts)),
        Figure("text ends by itself", sums.ended, len(texts)),
    ]


def calibrate() -> None:
    """Write chat/calibration.json: the thresholds that do best on the questions that have been looked at."""
    figures = {}
    for language in LANGUAGES:
        outcomes = [outcome(case, language) for which in CALIBRATED_ON for case in cases(language, half=which)]
        score, margin = _verified_thresholds(outcomes)
        figures[language] = {
            "answerable": _answerable_threshold(
                [each.score for each in outcomes if each.case.answerable and not each.case.from_pages],
                [each.score for each in outcomes if each.case.unanswerable],
            ),
            "pages_answerable": _answerable_threshold(
                [each.pages_score for each in outcomes if each.case.answerable and each.case.from_pages],
                [each.pages_score for each in outcomes if each.case.unanswerable],
            ),
            "verified_score": score,
            "verified_margin": margin,
            "calibrated_on": f"{len(outcomes)} questions, {datetime.now(UTC):%Y-%m-%d}",
            "set_sha256": calibration_digest(language),
        }
    grounding.CALIBRATION.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    grounding.thresholds.cache_clear()


def _answerable_threshold(known: list[float], unknown: list[float]) -> float:
    """Return the threshold with the fewest wrong answers and false refusals, both by share of the scores given.

    A score near the threshold counts in part on either side (logistic, SOFTNESS wide): the set is small, and a gap
    between two of its questions says little about the next one.
    """

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
        false = sum(each.verified_score >= limit - CLEARANCE and each.verified_margin >= margin for each in wrong)
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


def is_right(passage: Passage, case: Case) -> bool:
    """Return whether ``passage`` is the one that answers ``case``, or a page or post that states the same fact."""
    if passage.id == f"{case.document}#{case.section}":
        return True
    return passage.kind != "knowledge" and states(case.facts, passage.text)


def has_fact(case: Case, texts: list[str]) -> bool:
    """Return whether one of the facts stands in ``texts``, however white space and capitals are."""
    return states(case.facts, " ".join(texts))


def states(facts: Sequence[str], text: str) -> bool:
    """Return whether one of ``facts`` stands in ``text``, however white space, capitals and apostrophes are."""
    plain = _plain(text)
    return any(_plain(fact) in plain for fact in facts)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold().replace("’", "'")


def _silent(each: Outcome) -> bool:
    return each.rung in ("none", "contact")


def _silent_of_kind(kind: str, outcomes: list[Outcome]) -> Figure:
    those = [each for each in outcomes if each.case.kind == kind]
    return Figure(f"  {kind}", sum(_silent(each) for each in those), len(those))


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


if __name__ == "__main__":
    sys.exit(main())
