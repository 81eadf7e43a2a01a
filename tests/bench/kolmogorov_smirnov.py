"""The two-sample Kolmogorov-Smirnov test: can two sets of times come from one distribution? Pure."""

from collections.abc import Iterable, Mapping
from itertools import combinations

from msgspec import Struct

CRITICAL_5, CRITICAL_1 = 1.358, 1.628
"""c(α) of the two-sample test for large samples (Smirnov 1948); times sqrt((n + m) / nm)."""


class Compared(Struct, frozen=True):
    """statistic: the greatest distance between the distribution functions of the two kinds."""

    one: str
    other: str
    statistic: float
    critical_5: float
    critical_1: float


def compare(times: Mapping[str, list[float]]) -> list[Compared]:
    """Every pair."""
    return [_compared(one, other, times[one], times[other]) for one, other in combinations(times, 2)]


def ks_statistic(one: Iterable[float], other: Iterable[float]) -> float:
    """sup |F(x) - G(x)| of two samples' empirical distribution functions."""
    left, right = sorted(one), sorted(other)
    at = {value: [0, 0] for value in (*left, *right)}
    for place, values in enumerate((left, right)):
        for value in values:
            at[value][place] += 1
    below, most = [0, 0], 0.0
    for value in sorted(at):
        below = [sum(pair) for pair in zip(below, at[value], strict=True)]
        most = max(most, abs(below[0] / len(left) - below[1] / len(right)))
    return most


def _compared(one: str, other: str, left: list[float], right: list[float]) -> Compared:
    scale = ((len(left) + len(right)) / (len(left) * len(right))) ** 0.5
    return Compared(one, other, ks_statistic(left, right), CRITICAL_5 * scale, CRITICAL_1 * scale)
