"""Shares of a set of questions beside their goals: a table for people, a dictionary for machines."""

from dataclasses import asdict, dataclass, field
from typing import Any

from bench.writing import Totals


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
    """The figures of one language over one set of questions."""

    language: str
    which: str
    blind: bool = False  # its misses and texts are kept out of sight
    figures: list[Figure] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    texts: list[str] = field(default_factory=list)  # questions and what a model wrote, where it passed its check
    totals: Totals | None = None


def print_report(report: Report, *, show: int = 0) -> None:
    """Print one language: share, count and goal of each figure, then the questions that went wrong and some texts."""
    print(f"\n{report.language}, {report.which}: {report.p50_ms:.1f} ms p50, {report.p95_ms:.1f} ms p95")
    for figure in report.figures:
        sign = "<=" if figure.at_most else ">="
        goal = "" if figure.goal is None else f"goal {sign} {figure.goal:.2f}  {'met' if figure.met else 'MISSED'}"
        print(f"  {figure.name:<30} {figure.share:5.2f}  {figure.hits:3d} of {figure.of:<3d}  {goal}".rstrip())
    if report.totals:
        sums = report.totals
        times = f"first token {sums.first_token_p50_ms:.0f} ms, whole text {sums.duration_p50_ms:.0f} ms"
        print(f"  the model's texts: {sums.mean_tokens:.1f} tokens on average; p50: {times}")
    if not report.blind:
        for line in [*report.misses, *report.texts[:show]]:
            print(f"    {line}")


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
    misses = [] if report.blind else report.misses
    sums = asdict(report.totals) if report.totals else None
    return {
        "language": report.language,
        "set": report.which,
        "figures": figures,
        **times,
        "texts": sums,
        "misses": misses,
    }
