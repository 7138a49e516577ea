"""From samples to figures: percentiles, and intervals by the bootstrap."""

import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

ROUNDS = 2000
SEED = 20261121
Item = TypeVar("Item")


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile: a sample that was seen. ``share`` is 0 to 1."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median_interval(samples: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the median by the bootstrap (Efron, 1979), percentile method, seeded."""
    return interval(samples, statistics.median)


def interval(samples: Sequence[float], figure: Callable[[Sequence[float]], float]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of ``figure`` over ``samples``."""
    source = random.Random(SEED)
    found = sorted(figure(source.choices(samples, k=len(samples))) for _ in range(ROUNDS))
    return found[round(0.025 * (ROUNDS - 1))], found[round(0.975 * (ROUNDS - 1))]


def within(items: Iterable[Item], seconds: float) -> Iterator[Item]:
    """Yield ``items`` until ``seconds`` have passed: on a busy machine a program ends with fewer samples, not late."""
    ends = time.monotonic() + seconds
    for item in items:
        if time.monotonic() > ends:
            return
        yield item
