"""How sure a share is that was counted."""

from math import sqrt

Z95 = 1.959964
MILLION = 1_000_000


def wilson(hits: int, n: int, *, z: float = Z95) -> tuple[float, float]:
    """Return the score interval of Wilson (1927) for ``hits`` of ``n``, 0 to 1; nothing counted is not known at all.

    Of 0 hits in n it gives about 3.84/n as the upper end, a little above the rule of three (3/n, one-sided).
    """
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, z * z / n
    middle = share + spread / 2
    half = z * sqrt(share * (1 - share) / n + spread / (4 * n))
    # What follows from the formula, and rounding must not spoil: none of none is 0, all of all is 1.
    low = 0.0 if hits == 0 else (middle - half) / (1 + spread)
    return low, 1.0 if hits == n else (middle + half) / (1 + spread)


def ppm(hits: int, n: int) -> int:
    """Return a share in millionths: records hold no fractions."""
    return round(hits * MILLION / n) if n else 0


def rule_of_three_ppm(n: int) -> int:
    """Return the share, in millionths, that no hit in ``n`` rules out with 95 %: 3 of n (Hanley, Lippman-Hand 1983)."""
    return min(MILLION, round(3 * MILLION / n)) if n else MILLION
