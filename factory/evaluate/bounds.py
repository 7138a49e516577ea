"""The bounds of ``factory/thresholds.toml``: what each metric of each rung must reach, written before the run."""

import hashlib
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.evaluate.metrics import Metric

FILE = Path(__file__).parent.parent / "thresholds.toml"


@dataclass(frozen=True, slots=True)
class Judged:
    """A metric against its bound. ``bound_ppm`` is None where the file has none: then it is only reported."""

    metric: Metric
    bound_ppm: int | None

    @property
    def verdict(self) -> str:
        """pass, fail, or reported."""
        if self.bound_ppm is None:
            return "reported"
        value = self.metric.value_ppm
        met = value >= self.bound_ppm if self.metric.better == "high" else value <= self.bound_ppm
        return "pass" if met else "fail"


def sha256() -> str:
    """Return the digest of the whole file."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()


def evaluation() -> dict[str, Any]:
    """Return the section of evaluations. Raises OSError or tomllib.TOMLDecodeError."""
    section: dict[str, Any] = tomllib.loads(FILE.read_text(encoding="utf-8")).get("evaluation", {})
    return section


def judge(found: Sequence[Metric], *, rung: str, language: str) -> list[Judged]:
    """Return each metric with its bound for a rung and language, in millionths of one."""
    bounds = evaluation().get(rung, {}).get(language, {})
    return [Judged(metric, bounds.get(f"{metric.name}_ppm")) for metric in found]


def missing(*, rung: str, language: str, found: Sequence[Metric]) -> list[str]:
    """Return the metrics that have a bound and were not counted: a run that leaves one out proves nothing about it."""
    counted = {metric.name for metric in found}
    bounds = evaluation().get(rung, {}).get(language, {})
    return sorted(name.removesuffix("_ppm") for name in bounds if name.removesuffix("_ppm") not in counted)
